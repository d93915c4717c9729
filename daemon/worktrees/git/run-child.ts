import { type ChildProcess, spawn } from 'node:child_process'
import { delay } from '../../lifecycle/delay.ts'
import { signalGroup } from './signal-group.ts'
import type { WaitingShells } from './waiting-shells.ts'

export interface ChildCall {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly input?: Buffer | string | undefined
  readonly signal?: AbortSignal | undefined
  /** Ended after so many ms. */
  readonly deadlineMs: number
  /** Ended after so many ms without a byte of output. */
  readonly idleMs?: number | undefined
  /** An open file that takes stdout, for what may be too large to hold. */
  readonly output?: number | undefined
  /** Ended after so many bytes of stdout, which would be held in memory; default 64 MiB. */
  readonly maxBytes?: number | undefined
  /** Told the id of the process group, as soon as it is there. */
  readonly started?: ((pid: number) => void) | undefined
  /** May become the command, if it reads nothing, runs in `/` and its output goes to us. */
  readonly shells?: Pick<WaitingShells, 'become'> | undefined
}

/** One that another process may start: all of it can be sent there. */
export type SimpleChildCall = Omit<ChildCall, 'output' | 'started' | 'shells'>

export interface ChildResult {
  /** Null when a signal ended it. */
  readonly code: number | null
  readonly stdout: Buffer
  readonly stderr: string
  readonly ended: 'by-itself' | 'aborted' | 'deadline' | 'silent' | 'too-much'
}

/** Between asking a process group to end and ending it. git removes its lock files when asked. */
const GRACE_MS = 2_000
/** Of a shell that cannot become the command: it may not, or there is none. */
const NOT_STARTED: readonly (number | null)[] = [126, 127]
/** Some 600,000 paths. A child that prints more was asked the wrong question, or by somebody hostile. */
const MAX_STDOUT_BYTES = 64 * 1024 * 1024
/** Of complaints only the end matters; a remote may send them without end. */
const MAX_STDERR_BYTES = 1024 * 1024

/**
 * Runs a program in a process group of its own, so that ending it ends its children too (ssh, filters,
 * the checkout below `worktree add`). Resolves only when it is gone; rejects only when it cannot start.
 */
export function runChild(call: ChildCall): Promise<ChildResult> {
  if (call.signal?.aborted) {
    return Promise.resolve({ code: null, stdout: Buffer.alloc(0), stderr: '', ended: 'aborted' })
  }
  return new Promise((resolve, reject) => {
    const shell = shellFor(call)
    const child = shell ?? start(call)
    if (shell === undefined && child.pid !== undefined) call.started?.(child.pid)
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    const maxBytes = call.maxBytes ?? MAX_STDOUT_BYTES
    let stdoutBytes = 0
    let stderrBytes = 0
    let ended: ChildResult['ended'] = 'by-itself'

    const end = (why: ChildResult['ended']) => {
      if (ended !== 'by-itself') return
      ended = why
      void endGroup(child.pid, exited)
    }
    const onAbort = () => end('aborted')
    call.signal?.addEventListener('abort', onAbort, { once: true })
    const deadline = setTimeout(() => end('deadline'), call.deadlineMs)
    const idle = call.idleMs === undefined ? undefined : setTimeout(() => end('silent'), call.idleMs)
    let markExited = (): void => undefined
    const exited = new Promise<void>((done) => {
      markExited = done
    })
    const cleanUp = () => {
      markExited()
      clearTimeout(deadline)
      clearTimeout(idle)
      call.signal?.removeEventListener('abort', onAbort)
    }

    child.stdout?.on('data', (chunk: Buffer) => {
      stdoutBytes += chunk.length
      if (stdoutBytes <= maxBytes) stdout.push(chunk)
      else end('too-much')
      idle?.refresh()
    })
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr.push(chunk)
      stderrBytes += chunk.length
      while (stderrBytes > MAX_STDERR_BYTES) stderrBytes -= stderr.shift()?.length ?? 0
      idle?.refresh()
    })
    child.on('error', (error) => {
      cleanUp()
      reject(error)
    })
    child.on('close', (code) => {
      cleanUp()
      const complaint = Buffer.concat(stderr).toString()
      if (shell !== undefined && NOT_STARTED.includes(code) && complaint.startsWith('sh: ')) {
        reject(new Error(complaint.trim()))
        return
      }
      resolve({ code, stdout: Buffer.concat(stdout), stderr: complaint, ended })
    })
    if (call.input !== undefined && child.stdin !== null) {
      // A child that ends before it has read everything says so by its exit code.
      child.stdin.on('error', () => undefined)
      child.stdin.end(call.input)
    }
  })
}

function shellFor({
  command,
  args,
  env,
  input,
  output,
  cwd,
  shells,
  started,
}: ChildCall): ChildProcess | undefined {
  const isPlain = input === undefined && output === undefined && cwd === '/'
  return isPlain ? shells?.become(command, args, env, started) : undefined
}

function start({ command, args, env, input, output, cwd }: ChildCall): ChildProcess {
  return spawn(command, [...args], {
    cwd,
    env: { ...env },
    stdio: [input === undefined ? 'ignore' : 'pipe', output ?? 'pipe', 'pipe'],
    detached: true,
  })
}

async function endGroup(pid: number | undefined, exited: Promise<void>): Promise<void> {
  if (pid === undefined) return
  signalGroup(pid, 'SIGTERM')
  const patience = new AbortController()
  void exited.then(() => patience.abort())
  await delay(GRACE_MS, patience.signal)
  // The leader may be gone while a child of its group lives on and holds the pipes open.
  signalGroup(pid, 'SIGKILL')
}
