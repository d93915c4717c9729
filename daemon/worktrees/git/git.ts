import { availableParallelism } from 'node:os'
import { simpleGit } from 'simple-git'
import { backoff, delay } from '../../lifecycle/delay.ts'
import { Limit } from '../../lifecycle/limit.ts'
import { type KernelLock, type KernelLockOptions, takeKernelLock } from '../../lock/kernel-lock.ts'
import { type GitSurroundings, gitEnvironment } from './environment.ts'
import { commandOf, GitError } from './git-error.ts'
import type { GitProcess } from './git-process.ts'
import { type ChildResult, runChild, type SimpleChildCall } from './run-child.ts'
import { SAFE_CONFIG } from './safe-config.ts'
import type { WaitingShells } from './waiting-shells.ts'

export interface GitOptions {
  /** The daemon's environment; only a few names of it reach a child. */
  readonly env: NodeJS.ProcessEnv
  /** Starts the commands; default: this process does. */
  readonly apart?: GitProcess
  /** May become commands. */
  readonly shells?: WaitingShells
}

export interface GitCall extends GitSurroundings {
  /** `-C`; the directory git works in. */
  readonly dir: string
  readonly signal?: AbortSignal | undefined
  /** More `-c` settings, after the safe ones. */
  readonly config?: readonly string[]
}

export interface RunCall extends GitCall {
  readonly input?: Buffer | string
  /** Added to the minimal environment: GIT_DIR, GIT_WORK_TREE, GIT_INDEX_FILE. */
  readonly env?: Readonly<Record<string, string>>
  readonly deadlineMs?: number
  readonly idleMs?: number
  /** Exit codes that are answers, not failures; default only 0. */
  readonly expect?: readonly number[]
  /** An open file that takes stdout. */
  readonly output?: number
  /** Of stdout, where it may be more than the 64 MiB that a child may print. */
  readonly maxBytes?: number
  /** Asks the kernel to let others go first. */
  readonly low?: boolean
  /** Told the id of its process group. */
  readonly started?: (pid: number) => void
}

export interface RunResult {
  readonly code: number
  readonly stdout: Buffer
  /** Warnings may be all there is of a failure. */
  readonly stderr: string
}

const DEADLINE_MS = 60_000
/**
 * Short commands at a time, whoever asks: more only take the processors from one another, and starting each
 * holds up the event loop for a moment.
 */
const SHORT_AT_ONCE = Math.max(4, 2 * availableParallelism())
/** Commands that may wait for the network or write a whole tree: nobody stands in line behind them. */
const LONG = new Set(['fetch', 'ls-remote', 'worktree', 'checkout', 'reset', 'submodule', 'gc'])
const ATTEMPTS = 6

/** Variables that we set ourselves; simple-git wants each one named. */
const OWN_VARIABLES = [
  'GIT_TERMINAL_PROMPT',
  'GIT_ASKPASS',
  'GIT_SSH_COMMAND',
  'GIT_PROXY_COMMAND',
  'GIT_CEILING_DIRECTORIES',
  'GIT_AUTHOR_NAME',
  'GIT_AUTHOR_EMAIL',
  'GIT_COMMITTER_NAME',
  'GIT_COMMITTER_EMAIL',
]

/**
 * Every git process of the daemon. Two ways in, one environment and one safe prefix:
 * `ask` (simple-git) for questions that are answered in text, `run` for whatever writes, talks bytes on
 * stdin or stdout, or has children that must end with it. simple-git ends git but not git's children, and
 * waits 50 ms for a command that prints nothing.
 */
export class Git {
  readonly #env: NodeJS.ProcessEnv
  readonly #apart: GitProcess | undefined
  readonly #shells: WaitingShells | undefined
  readonly #short = new Limit(SHORT_AT_ONCE)

  constructor(options: GitOptions) {
    this.#env = options.env
    this.#apart = options.apart
    this.#shells = options.shells
  }

  /** stdout of a command that prints something; throws GitError. */
  ask(call: GitCall, ...args: string[]): Promise<string> {
    return this.#apart?.ask(call, args) ?? this.#inTurn(args, () => this.#ask(call, args))
  }

  async #ask(call: GitCall, args: readonly string[]): Promise<string> {
    const stop = new AbortController()
    const onAbort = () => stop.abort()
    if (call.signal?.aborted) throw new GitError(commandOf(args), null, '', 'aborted')
    call.signal?.addEventListener('abort', onAbort, { once: true })
    const timer = setTimeout(onAbort, DEADLINE_MS)
    // simple-git passes an error on as text only.
    let failure: GitError | undefined
    try {
      return await simpleGit({
        // Always there, and no synchronous look at a repository that may be on a slow disk.
        baseDir: '/',
        abort: stop.signal,
        config: [...SAFE_CONFIG, ...(call.config ?? [])],
        allowEnvironment: OWN_VARIABLES,
        completion: { onClose: true, onExit: false },
        unsafe: {
          // The settings and variables above are ours; a value from a repository never gets there.
          allowUnsafeAskPass: true,
          allowUnsafeConfigPaths: true,
          allowUnsafeCredentialHelper: true,
          allowUnsafeFilter: true,
          allowUnsafeFsMonitor: true,
          allowUnsafeGitProxy: true,
          allowUnsafeHooksPath: true,
          allowUnsafePack: true,
          allowUnsafeProtocolOverride: true,
          allowUnsafeSshCommand: true,
        },
        errors: (error, result) => {
          if (result.exitCode === 0 && error === undefined) return undefined
          failure = new GitError(
            commandOf(args),
            result.exitCode,
            Buffer.concat(result.stdErr).toString() || (error instanceof Error ? error.message : ''),
            stop.signal.aborted ? 'aborted' : 'failed',
          )
          return failure
        },
      })
        .env(gitEnvironment(this.#env, call))
        .raw(['-C', call.dir, ...args])
    } catch (error) {
      throw failure ?? new GitError(commandOf(args), null, String(error), 'not-started')
    } finally {
      clearTimeout(timer)
      call.signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Runs a command; any exit code outside `expect` throws GitError. Transient failures are tried again. */
  async run(call: RunCall, ...args: string[]): Promise<RunResult> {
    // An open file cannot be handed to another process.
    if (this.#apart !== undefined && call.output === undefined) return this.#apart.run(call, args)
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#inTurn(args, () => this.#once(call, args))
      } catch (error) {
        const again = error instanceof GitError && error.isTransient && attempt < ATTEMPTS
        if (!again || call.signal?.aborted) throw error
        await delay(20 + backoff(attempt, 40, 800), call.signal)
      }
    }
  }

  /** A program beside git, started where git is. */
  child(call: SimpleChildCall): Promise<ChildResult> {
    return this.#apart?.child(call) ?? runChild(call)
  }

  /** A lock that the kernel frees when whoever runs git ends. Null: another has it. */
  lock(file: string, options?: KernelLockOptions): Promise<KernelLock | null> {
    const apart = this.#apart
    if (apart === undefined) return takeKernelLock(file, options)
    return apart.lock(file, options).catch((error: unknown) => {
      // Nothing was done yet: another such process can do it.
      const again = error instanceof GitError && error.why === 'lost' && options?.signal?.aborted !== true
      if (again) return apart.lock(file, options)
      throw error
    })
  }

  /** `run`, stdout as trimmed text. */
  async text(call: RunCall, ...args: string[]): Promise<string> {
    return (await this.run(call, ...args)).stdout.toString().trim()
  }

  #inTurn<T>(args: readonly string[], work: () => Promise<T>): Promise<T> {
    return LONG.has(commandOf(args)) ? work() : this.#short.run(work)
  }

  async #once(call: RunCall, args: readonly string[]): Promise<RunResult> {
    const settings = [...SAFE_CONFIG, ...(call.config ?? [])].flatMap((setting) => ['-c', setting])
    const git = ['git', '-C', call.dir, ...settings, ...args]
    const [command = 'git', ...rest] = call.low === true ? ['nice', '-n', '15', ...git] : git
    const name = commandOf(args)
    const result = await runChild({
      command,
      args: rest,
      cwd: '/',
      env: { ...gitEnvironment(this.#env, call), ...call.env },
      input: call.input,
      signal: call.signal,
      deadlineMs: call.deadlineMs ?? DEADLINE_MS,
      idleMs: call.idleMs,
      output: call.output,
      maxBytes: call.maxBytes,
      started: call.started,
      shells: this.#shells,
    }).catch((error: unknown) => {
      throw new GitError(name, null, String(error), 'not-started')
    })
    if (result.ended !== 'by-itself') throw new GitError(name, result.code, result.stderr, result.ended)
    if (result.code === null || !(call.expect ?? [0]).includes(result.code)) {
      throw new GitError(name, result.code, result.stderr)
    }
    return { code: result.code, stdout: result.stdout, stderr: result.stderr }
  }
}
