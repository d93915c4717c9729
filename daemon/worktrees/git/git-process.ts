import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { isFileAt, type KernelLock, type KernelLockOptions } from '../../lock/kernel-lock.ts'
import { childResult, runResult } from './command-answer.ts'
import { gitEnvironment } from './environment.ts'
import type { GitCall, RunCall, RunResult } from './git.ts'
import { commandOf, GitError } from './git-error.ts'
import type { GitAnswer, GitQuestion } from './git-message.ts'
import { lockedFile } from './lock-answer.ts'
import type { ChildResult, SimpleChildCall } from './run-child.ts'
import { signalGroup } from './signal-group.ts'

/** Without work for so long, the process ends; the next command starts it again. ms */
const IDLE_MS = 30_000
/** Between two looks whether a process with work still answers, and how many in a row may find nothing. ms */
const PING_MS = 10_000
const MAX_SILENT_PINGS = 4

interface Pending {
  readonly command: string
  /** Who was asked. */
  readonly child: ChildProcess
  /** The process group it runs in, once known. */
  group?: number
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

export interface GitProcessOptions {
  /** The daemon's environment; only what git may see reaches the process. */
  readonly env: NodeJS.ProcessEnv
  /** For the files that git makes; default: this process's own. */
  readonly umask?: number
  /** The node that runs it; default: this process's own file, which may go while this process runs. */
  readonly node?: string
  /** The compiled `git-main.js`; default: the one beside this file or the bundle with it. */
  readonly program?: string
  /** Between two looks whether it still answers, ms. */
  readonly pingMs?: number
}

/**
 * Git's commands, and the few programs beside them, started by a process of their own. Starting a child copies the
 * page tables of whoever starts it: for a daemon of 150 MB that is some ten milliseconds in which it does nothing
 * else, for a process that holds nothing it is one or two. A job takes dozens of git commands.
 *
 * The process is started by the first command and ends when it has been idle for a while, when it stops
 * answering, or with this process. It calls off what it runs before it ends. A command whose process ends under
 * it fails as `lost`: nobody knows how far it came.
 */
export class GitProcess {
  readonly #env: NodeJS.ProcessEnv
  readonly #umask: number
  readonly #node: string
  readonly #program: string
  readonly #pingMs: number
  readonly #pending = new Map<number, Pending>()
  #child: ChildProcess | undefined
  #serial = 0
  /** Taken or being taken. */
  #locks = 0
  #silent = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: GitProcessOptions) {
    this.#env = gitEnvironment(options.env)
    this.#umask = options.umask ?? process.umask()
    this.#pingMs = options.pingMs ?? PING_MS
    this.#node = options.node ?? process.execPath
    this.#program = options.program ?? fileURLToPath(new URL('./git-main.js', import.meta.url))
  }

  /** Of the process while there is one. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  async ask(call: GitCall, args: readonly string[]): Promise<string> {
    const answer = await this.#command('ask', call, args)
    return typeof answer === 'string' ? answer : ''
  }

  async run(call: RunCall, args: readonly string[]): Promise<RunResult> {
    return runResult(await this.#command('run', call, args))
  }

  /** A program that works for git's sake. */
  async child({ signal, ...call }: SimpleChildCall): Promise<ChildResult> {
    const id = ++this.#serial
    return childResult(await this.#call({ id, kind: 'child', call }, call.command, signal))
  }

  /** Ends the process; what still runs in it fails. */
  stop(): void {
    clearTimeout(this.#timer)
    const child = this.#child
    if (child === undefined) return
    if (child.connected) child.disconnect()
    this.#gone(child, 'the process that runs git was stopped')
  }

  /**
   * Takes a lock that the kernel keeps for that process, because that starts a process too. If this one is killed,
   * it is freed when what the other runs has ended; if the other one is, at once.
   */
  async lock(file: string, { waitSeconds = 0, signal }: KernelLockOptions = {}): Promise<KernelLock | null> {
    const id = ++this.#serial
    this.#locks += 1
    let taken = false
    try {
      const identity = lockedFile(await this.#call({ id, kind: 'lock', file, waitSeconds }, 'lock', signal))
      if (identity === null) return null
      taken = true
      const holder = this.#child
      const isHeld = () => holder !== undefined && holder === this.#child
      return {
        identity,
        isCurrent: async () => isHeld() && isFileAt(identity, file),
        release: async () => {
          if (holder !== undefined && isHeld()) send(holder, { id, kind: 'unlock' })
          this.#unlocked()
        },
      }
    } finally {
      if (!taken) this.#unlocked()
    }
  }

  #unlocked(): void {
    this.#locks -= 1
    if (this.#isIdle) this.#arm()
  }

  get #isIdle(): boolean {
    return this.#pending.size === 0 && this.#locks === 0
  }

  #command(kind: 'ask' | 'run', call: GitCall | RunCall, args: readonly string[]): Promise<unknown> {
    const { signal, ...rest } = call
    const id = ++this.#serial
    return this.#call({ id, kind, call: rest, args }, commandOf(args), signal)
  }

  #call(question: GitQuestion, command: string, signal: AbortSignal | undefined): Promise<unknown> {
    if (signal?.aborted) return Promise.reject(new GitError(command, null, '', 'aborted'))
    const { id } = question
    return new Promise<unknown>((resolve, reject) => {
      // First, because it throws when nothing can be started any more; then nobody waits.
      const child = this.#ready()
      const onAbort = () => {
        const asked = this.#pending.get(id)?.child
        if (asked !== undefined) send(asked, { id, kind: 'abort' })
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      const forget = () => signal?.removeEventListener('abort', onAbort)
      this.#pending.set(id, {
        command,
        child,
        resolve: (value) => {
          forget()
          resolve(value)
        },
        reject: (error) => {
          forget()
          reject(error)
        },
      })
      // This process waits for an answer now, and the other one is looked after.
      child.channel?.ref()
      if (this.#pending.size === 1) this.#arm()
      send(child, question)
    })
  }

  #ready(): ChildProcess {
    const running = this.#child
    if (running?.connected) return running
    const child = fork(this.#program, [String(this.#umask)], {
      env: this.#env,
      execPath: this.#node,
      execArgv: [],
      cwd: '/',
      serialization: 'advanced',
      // ^C in a terminal is for the daemon, which calls off what is to be called off.
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    child.unref()
    child.on('message', (message: GitAnswer) => this.#answered(message))
    child.on('error', (error) => this.#gone(child, error.message))
    child.on('exit', () => this.#gone(child, 'the process that runs git ended'))
    // May come well before its exit, and another may have taken its place by then.
    child.on('disconnect', () => this.#gone(child, 'the process that runs git was cut off'))
    this.#child = child
    this.#silent = 0
    this.#arm()
    return child
  }

  #answered(answer: GitAnswer): void {
    this.#silent = 0
    if (answer.kind === 'pong') return
    const pending = this.#pending.get(answer.id)
    if (answer.kind === 'started') {
      // Said before the process died, heard after: nobody waits for it any more, and nobody else will end it.
      if (pending === undefined) signalGroup(answer.pid, 'SIGTERM')
      else pending.group = answer.pid
      return
    }
    this.#pending.delete(answer.id)
    if (this.#pending.size === 0) {
      this.#child?.channel?.unref()
      this.#arm()
    }
    if (answer.kind === 'value') pending?.resolve(answer.value)
    else {
      const { command, exitCode, stderr, why } = answer
      pending?.reject(new GitError(command, exitCode, stderr, why))
    }
  }

  /** From now on: a ping while there is work, the end when there has been none. */
  #arm(): void {
    clearTimeout(this.#timer)
    const isIdle = this.#isIdle
    this.#timer = setTimeout(() => this.#look(isIdle), isIdle ? IDLE_MS : this.#pingMs)
    this.#timer.unref()
  }

  #look(wasIdle: boolean): void {
    if (this.#pending.size === 0) {
      if (wasIdle && this.#isIdle) this.stop()
      else this.#arm()
      return
    }
    // Counted in looks, not in time: a machine that slept has looked once.
    this.#silent += 1
    if (this.#silent > MAX_SILENT_PINGS) this.#child?.kill('SIGKILL')
    else if (this.#child !== undefined) send(this.#child, { id: 0, kind: 'ping' })
    this.#arm()
  }

  /** Fails what this very process was asked; what its successor was asked goes on. */
  #gone(child: ChildProcess, why: string): void {
    for (const [id, pending] of this.#pending) {
      if (pending.child !== child) continue
      this.#pending.delete(id)
      // It may not go on beside whatever is done next. Asked to end, git takes its lock files with it.
      if (pending.group !== undefined) signalGroup(pending.group, 'SIGTERM')
      pending.reject(new GitError(pending.command, null, why, 'lost'))
    }
    if (this.#child !== child) return
    this.#child = undefined
    clearTimeout(this.#timer)
  }
}

/** Whatever cannot be sent is answered by the process's end. */
function send(child: ChildProcess, question: GitQuestion): void {
  child.send(question, () => undefined)
}
