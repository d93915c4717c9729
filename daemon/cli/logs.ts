import { spawn } from 'node:child_process'
import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DaemonError, unlessMissing } from '../errors.ts'
import { delay } from '../lifecycle/delay.ts'
import { LOG_FILE } from '../log-file.ts'
import { logText } from '../log-text.ts'
import { EXIT } from './exit.ts'
import type { Invocation } from './invocation.ts'
import { findService } from './service/find-service.ts'
import { untilInterrupted } from './until-interrupted.ts'

export interface LogsOptions {
  readonly follow?: boolean
  readonly lines: number
  readonly raw?: boolean
}

const POLL_MS = 250
const CHUNK_BYTES = 64 * 1024

/** The last lines of the daemon's log, then new ones with `--follow`; stderr says where they are. */
export async function logs(invocation: Invocation, options: LogsOptions): Promise<number> {
  const { terminal, paths } = invocation
  const journal = (await findService(invocation))?.logCommand(options.lines, options.follow === true)
  const file = join(paths.logDir, LOG_FILE)
  const show = (line: string) => {
    if (line !== '') terminal.out(options.raw ? line : logText(line, terminal.colour))
  }
  if (journal !== undefined) return readJournal(invocation, journal, show)
  const tail = await readTail(file, options.lines)
  if (tail === undefined && !options.follow) {
    throw new DaemonError(
      'NOT_FOUND',
      `There is no log yet: ${file}`,
      'The daemon of this home has not run, or logs to the journal.',
    )
  }
  terminal.err(`Log file: ${file}`)
  for (const line of tail?.lines ?? []) show(line)
  if (options.follow) {
    await untilInterrupted(terminal, (ended) => follow(file, tail?.end ?? 0, show, ended))
  }
  return EXIT.ok
}

/** The last lines, and where the file ended; undefined without a file. Reads from the end, not all of it. */
async function readTail(file: string, count: number): Promise<{ lines: string[]; end: number } | undefined> {
  const handle = await open(file, 'r').catch(unlessMissing(undefined))
  if (handle === undefined) return undefined
  try {
    const { size } = await handle.stat()
    let from = size
    let text = ''
    while (from > 0 && text.split('\n').length <= count + 1) {
      const length = Math.min(CHUNK_BYTES, from)
      from -= length
      const { buffer } = await handle.read(Buffer.alloc(length), 0, length, from)
      text = buffer.toString('latin1') + text
    }
    const lines = Buffer.from(text, 'latin1').toString('utf8').split('\n')
    const first = Math.max(0, lines.length - 1 - count)
    return { lines: lines.slice(first, -1), end: size - Buffer.byteLength(lines.at(-1) ?? '') }
  } finally {
    await handle.close()
  }
}

/** A file that was put aside is read to its end, then the new one from its start. */
async function follow(
  file: string,
  from: number,
  show: (line: string) => void,
  ended: AbortSignal,
): Promise<void> {
  let handle = await open(file, 'r').catch(() => undefined)
  let position = from
  let rest = Buffer.alloc(0)
  let isAside = false
  try {
    while (!ended.aborted) {
      if (handle === undefined) {
        handle = await open(file, 'r').catch(() => undefined)
        position = 0
      }
      const chunk = Buffer.alloc(CHUNK_BYTES)
      const { bytesRead } = (await handle?.read(chunk, 0, CHUNK_BYTES, position)) ?? { bytesRead: 0 }
      position += bytesRead
      rest = Buffer.concat([rest, chunk.subarray(0, bytesRead)])
      for (let cut = rest.indexOf(10); cut >= 0; cut = rest.indexOf(10)) {
        show(rest.subarray(0, cut).toString('utf8'))
        rest = rest.subarray(cut + 1)
      }
      if (bytesRead > 0) continue
      if (isAside) {
        await handle?.close()
        handle = undefined
        isAside = false
        continue
      }
      // What was written between our last look and the putting aside is still to be read.
      isAside = handle !== undefined && (await isPutAside(file, (await handle.stat()).ino, position))
      if (isAside) continue
      await delay(POLL_MS, ended)
    }
  } finally {
    await handle?.close()
  }
}

async function isPutAside(file: string, inode: number, position: number): Promise<boolean> {
  const now = await stat(file).catch(() => undefined)
  return now !== undefined && (now.ino !== inode || now.size < position)
}

/** The journal's lines of our unit; what is not ours among them (systemd's own) is shown as it is. */
function readJournal(
  { terminal, env }: Invocation,
  command: readonly string[],
  show: (line: string) => void,
): Promise<number> {
  terminal.err(`Journal: ${command.join(' ')}`)
  const [program = 'journalctl', ...args] = command
  const own = { PATH: env.PATH ?? '/usr/bin:/bin', HOME: env.HOME ?? '/', LC_ALL: 'C' }
  const child = spawn(program, args, { env: own, stdio: ['ignore', 'pipe', 'inherit'] })
  createInterface({ input: child.stdout }).on('line', show)
  terminal.closed.addEventListener('abort', () => child.kill(), { once: true })
  return new Promise((resolve, reject) => {
    child.on('error', (error) =>
      reject(
        new DaemonError('INTERNAL', `${program} could not be run`, 'Install systemd’s journalctl.', error),
      ),
    )
    child.on('close', (code) => resolve(code === 0 || code === null ? EXIT.ok : EXIT.failed))
  })
}
