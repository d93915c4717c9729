import { readFile } from 'node:fs/promises'

export interface ProcessInfo {
  readonly pid: number
  readonly parent: number
  /** Opaque; with the pid it names one process for good: a recycled pid has another one. */
  readonly startedAt: string
  /** Command line, argument by argument where the platform tells them apart. */
  readonly command: readonly string[]
  /** Stopped by a signal (SIGSTOP, ^Z). */
  readonly suspended: boolean
}

/** A running process as the kernel knows it, or null when there is none (zombies count as gone). */
export async function readProcess(
  pid: number,
  platform: NodeJS.Platform = process.platform,
): Promise<ProcessInfo | null> {
  return platform === 'linux' ? await readProc(pid) : await readPs(pid)
}

async function readProc(pid: number): Promise<ProcessInfo | null> {
  try {
    const [stat, command] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'latin1'),
      readFile(`/proc/${pid}/cmdline`, 'utf8'),
    ])
    // The name in parentheses may itself hold spaces and parentheses; what follows the last one is regular.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [state, parent] = fields
    const startedAt = fields[19]
    if (state === undefined || parent === undefined || startedAt === undefined || /[ZX]/.test(state))
      return null
    return {
      pid,
      parent: Number(parent),
      startedAt,
      command: command.split('\0').filter((word) => word !== ''),
      suspended: state === 'T',
    }
  } catch {
    return null
  }
}

async function readPs(pid: number): Promise<ProcessInfo | null> {
  // Not loaded where /proc is: every shim would pay for it.
  const { execFile } = await import('node:child_process')
  return await new Promise((resolve) => {
    execFile(
      'ps',
      // BSDs take all that follows the first `=` of an option for the header of that one column.
      ['-ww', ...['stat=', 'ppid=', 'lstart=', 'command='].flatMap((one) => ['-o', one]), '-p', String(pid)],
      // Local time: without TZ a process would have started at another one after a journey.
      { env: { PATH: '/bin:/usr/bin', LC_ALL: 'C', TZ: 'UTC' }, timeout: 2_000 },
      (error, stdout) => resolve(error === null ? parsePs(pid, stdout) : null),
    )
  })
}

/** `S+  123 Mon Nov  2 10:00:00 2026 node /x/y.js`: lstart is always five words. */
export function parsePs(pid: number, line: string): ProcessInfo | null {
  const match = /^\s*(\S+)\s+(\d+)\s+((?:\S+\s+){4}\d{4})\s+(.*\S)\s*$/.exec(line)
  const [, state, parent, startedAt, command] = match ?? []
  if (state === undefined || parent === undefined || startedAt === undefined || command === undefined)
    return null
  if (state.startsWith('Z')) return null
  return {
    pid,
    parent: Number(parent),
    startedAt: startedAt.replace(/\s+/g, ' '),
    command: command.split(/\s+/),
    suspended: state.startsWith('T'),
  }
}
