import { spawn } from 'node:child_process'
import { delay } from '../../lifecycle/delay.ts'

export interface CommandResult {
  /** Exit code; null when a signal or the deadline ended it. */
  readonly code: number | null
  /** Standard output and error together, at most the last 16 KiB. */
  readonly output: string
  /** `code` of the error that kept it from starting (`ENOENT`, `EPERM`), if any. */
  readonly failedToStart: string | undefined
}

export interface Command {
  readonly file: string
  readonly args: readonly string[]
  readonly uid?: number
  readonly gid?: number
}

const KEPT_OUTPUT_CHARS = 16 * 1024

/**
 * Runs a command to its end with a minimal environment (never a secret of ours) in `/`, because our own
 * working directory may be gone or unreadable for it. Killed after `timeoutMs`. Never rejects.
 */
export function runCommand(command: Command, timeoutMs: number): Promise<CommandResult> {
  return new Promise((resolve) => {
    let output = ''
    const keep = (chunk: string) => {
      output = (output + chunk).slice(-KEPT_OUTPUT_CHARS)
    }
    const child = spawn(command.file, command.args, {
      cwd: '/',
      env: { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(command.uid === undefined ? {} : { uid: command.uid }),
      ...(command.gid === undefined ? {} : { gid: command.gid }),
    })
    const deadline = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    child.stdout.setEncoding('utf8').on('data', keep)
    child.stderr.setEncoding('utf8').on('data', keep)
    const closed = new Promise<void>((done) => child.on('close', () => done()))
    child.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(deadline)
      resolve({ code: null, output: error.message, failedToStart: error.code ?? 'UNKNOWN' })
    })
    child.on('exit', async (code) => {
      clearTimeout(deadline)
      // A server that outlives this command may hold the pipes: do not wait for their end for long.
      await Promise.race([closed, delay(200)])
      child.stdout.destroy()
      child.stderr.destroy()
      resolve({ code, output: output.trim(), failedToStart: undefined })
    })
  })
}
