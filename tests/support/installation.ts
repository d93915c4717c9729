import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MALLOC_VARIABLES, NODE_FLAGS } from '../../daemon/cli/detached.ts'
import { fetchReport } from '../../daemon/cli/fetch-status.ts'
import { resolvePaths } from '../../daemon/paths.ts'
import type { StatusReport } from '../../daemon/wire/status-report.ts'
import { Agent, type AgentOptions } from './agent.ts'
import { until } from './until.ts'

/** The built files, both when run from sources and when compiled below dist/compiled. */
const ROOT = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../../' : '../../../../', import.meta.url),
)
export const MAIN = join(ROOT, 'dist/daemon/main.js')
export const SHIM = join(ROOT, 'dist/shim/main.js')

export interface CliResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface InstallationOptions {
  /** Left out: embedded PostgreSQL below the home. */
  readonly databaseUrl?: string
  readonly token?: string
  readonly env?: Record<string, string>
}

/** One installation of the real binaries with a HOME of its own; `remove()` ends and deletes all of it. */
export class Installation {
  readonly dir: string
  readonly home: string
  readonly worktreeDir: string
  readonly env: Record<string, string>
  readonly #children: ChildProcess[] = []
  readonly #agents: Agent[] = []
  daemon: ChildProcess | undefined
  /** What the foreground daemon wrote to stderr. */
  daemonOutput = ''

  private constructor(dir: string, options: InstallationOptions) {
    this.dir = dir
    this.home = join(dir, 'home')
    this.worktreeDir = join(dir, 'worktrees')
    this.env = {
      PATH: process.env.PATH ?? '/usr/bin:/bin',
      HOME: join(dir, 'user'),
      SCRUM4ME_HOME: this.home,
      SCRUM4ME_AGENT_WORKTREE_DIR: this.worktreeDir,
      SCRUM4ME_MIN_FREE_DISK_BYTES: '0',
      NO_COLOR: '1',
      ...(options.databaseUrl === undefined ? {} : { DATABASE_URL: options.databaseUrl }),
      ...(options.token === undefined ? {} : { SCRUM4ME_TOKEN: options.token }),
      ...options.env,
    }
  }

  static async make(options: InstallationOptions = {}): Promise<Installation> {
    const made = new Installation(await mkdtemp(join(tmpdir(), 's4m-')), options)
    await mkdir(made.env.HOME ?? made.dir, { recursive: true })
    return made
  }

  /** Runs one CLI command to its end. */
  cli(...args: string[]): Promise<CliResult> {
    return this.cliWith({}, ...args)
  }

  cliWith(options: { env?: Record<string, string>; input?: string; cwd?: string }, ...args: string[]) {
    return new Promise<CliResult>((resolve, reject) => {
      const child = spawn(process.execPath, [MAIN, ...args], {
        cwd: options.cwd ?? this.dir,
        env: { ...this.env, ...options.env },
        stdio: 'pipe',
      })
      this.#children.push(child)
      let stdout = ''
      let stderr = ''
      child.stdout.on('data', (data) => {
        stdout += data
      })
      child.stderr.on('data', (data) => {
        stderr += data
      })
      child.on('error', reject)
      child.on('close', (code) => resolve({ code, stdout, stderr }))
      child.stdin.end(options.input ?? '')
    })
  }

  /** JSON of a command that must succeed. */
  async json<T = Record<string, unknown>>(...args: string[]): Promise<T> {
    const result = await this.cli(...args, '--json')
    if (result.code !== 0)
      throw new Error(`${args.join(' ')}: exit ${result.code}\n${result.stderr}${result.stdout}`)
    return JSON.parse(result.stdout)
  }

  /** What `status --json` prints; asked from here, as a process for every look would keep a core busy while it waits. */
  status(): Promise<StatusReport> {
    return fetchReport(resolvePaths(this.env))
  }

  /** Starts a foreground daemon and waits until it is healthy (or in another of `states`). */
  async start(states: readonly string[] = ['healthy'], env: Record<string, string> = {}): Promise<void> {
    this.spawnDaemon(env)
    await until(
      `the daemon is ${states.join(' or ')}`,
      async () => {
        if (this.daemon?.exitCode !== null) throw new Error(`the daemon ended:\n${this.daemonOutput}`)
        return states.includes((await this.status()).state)
      },
      40_000,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.daemonOutput}`)
    })
  }

  spawnDaemon(env: Record<string, string> = {}): ChildProcess {
    const child = spawn(process.execPath, [...NODE_FLAGS, MAIN, 'run'], {
      cwd: this.dir,
      env: { ...MALLOC_VARIABLES, ...this.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#children.push(child)
    this.daemon = child
    const note = (data: unknown) => {
      this.daemonOutput = (this.daemonOutput + String(data)).slice(-20_000)
    }
    child.stdout.on('data', note)
    child.stderr.on('data', note)
    return child
  }

  /** Ends the foreground daemon and waits for it. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const child = this.daemon
    if (child === undefined || child.exitCode !== null || child.signalCode !== null)
      return child?.exitCode ?? null
    const gone = new Promise<number | null>((resolve) => child.on('exit', (code) => resolve(code)))
    child.kill(signal)
    return gone
  }

  /** A real MCP client over the real shim. */
  async agent(options: AgentOptions = {}): Promise<Agent> {
    const agent = await Agent.connect(SHIM, this.env, options)
    this.#agents.push(agent)
    return agent
  }

  async remove(): Promise<void> {
    await Promise.allSettled(this.#agents.map((agent) => agent.close()))
    this.daemon?.kill('SIGCONT')
    if ((await Promise.race([this.end(), sleep(15_000)])) === 'late') await this.end('SIGKILL')
    const stopped = (await this.#runs()) ? await this.cli('stop') : undefined
    for (const child of this.#children) if (child.exitCode === null) child.kill('SIGKILL')
    if (stopped !== undefined && stopped.code !== 0)
      throw new Error(`stop: exit ${stopped.code}\n${stopped.stderr}`)
    await rm(this.dir, { recursive: true, force: true, maxRetries: 5 })
  }

  /** Whether a daemon that `start` detached is there, or an embedded server that a killed one left. */
  async #runs(): Promise<boolean> {
    const { dataDir } = resolvePaths(this.env)
    const server = await stat(join(dataDir, 'postmaster.pid')).catch(() => undefined)
    return server !== undefined || (await this.status()).state !== 'stopped'
  }
}

function sleep(ms: number): Promise<'late'> {
  return new Promise((resolve) => setTimeout(() => resolve('late'), ms).unref())
}
