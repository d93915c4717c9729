import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { unlessMissing } from '../errors.ts'
import { delay } from '../lifecycle/delay.ts'
import type { Paths } from '../paths.ts'
import { readProcess } from '../wire/read-process.ts'

export interface Holder {
  readonly pid: number
  readonly startedAt: string
}

/**
 * The live process that holds this home, or undefined: a recycled pid has another start time. Throws what the
 * file system says where it cannot be looked at: that nothing runs there is not known then.
 */
export async function readHolder(paths: Pick<Paths, 'runDir'>): Promise<Holder | undefined> {
  const text = await readFile(join(paths.runDir, 'daemon.pid'), 'utf8').catch(unlessMissing(''))
  const [pid, ...rest] = text.trim().split(' ')
  const holder = { pid: Number(pid), startedAt: rest.join(' ') }
  return holder.pid > 0 && holder.startedAt !== '' && (await isAlive(holder)) ? holder : undefined
}

export async function isAlive(holder: Holder): Promise<boolean> {
  return (await readProcess(holder.pid))?.startedAt === holder.startedAt
}

/** True once the process is gone; false when it is still there after `timeoutMs`. */
export async function waitUntilGone(holder: Holder, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs
  while (await isAlive(holder)) {
    if (Date.now() > deadline) return false
    await delay(25)
  }
  return true
}

/** Whether a signal has stopped the process (SIGSTOP, ^Z). */
export async function isSuspended(holder: Holder): Promise<boolean> {
  return (await readProcess(holder.pid))?.suspended ?? false
}

/** Whether the holder's watchdog says that its event loop does not turn; another process's mark is old. */
export async function isStalled(paths: Pick<Paths, 'runDir'>, holder: Holder): Promise<boolean> {
  const mark = await readFile(join(paths.runDir, 'stalled'), 'utf8').catch(() => '')
  return Number.parseInt(mark, 10) === holder.pid
}
