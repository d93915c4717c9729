import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { delay } from '../../../daemon/lifecycle/delay.ts'
import type { TestProxy } from '../../support/proxy.ts'
import { until } from '../../support/until.ts'
import type { History } from './history.ts'
import { kill, RawAgent } from './raw-agent.ts'

/** A built daemon and shim. */
export interface Build {
  readonly main: string
  readonly shim: string
}

export interface MachineOptions {
  readonly name: string
  readonly dir: string
  readonly build: Build
  readonly history: History
  readonly databaseUrl: string
  readonly token: string
  /** Its link to the database. */
  readonly proxy: TestProxy
  readonly productId: string
  readonly clone: string
  readonly env?: Record<string, string>
}

/** One home with its daemon, as on a machine of its own, to be killed, stopped and cut off. */
export class Machine {
  readonly name: string
  readonly dir: string
  readonly home: string
  readonly worktreeDir: string
  readonly clone: string
  readonly proxy: TestProxy
  readonly productId: string
  readonly env: Record<string, string>
  readonly #options: MachineOptions
  readonly #agents = new Set<RawAgent>()
  #daemon: ChildProcess | undefined
  #ended: Promise<void> = Promise.resolve()

  private constructor(options: MachineOptions) {
    this.#options = options
    this.name = options.name
    this.dir = options.dir
    this.home = join(options.dir, 'home')
    this.worktreeDir = join(options.dir, 'worktrees')
    this.clone = options.clone
    this.proxy = options.proxy
    this.productId = options.productId
    this.env = {
      PATH: process.env.PATH ?? '/usr/bin:/bin',
      HOME: join(options.dir, 'user'),
      SCRUM4ME_HOME: this.home,
      SCRUM4ME_AGENT_WORKTREE_DIR: this.worktreeDir,
      SCRUM4ME_MIN_FREE_DISK_BYTES: '0',
      SCRUM4ME_LOG_LEVEL: 'debug',
      DATABASE_URL: options.databaseUrl,
      SCRUM4ME_TOKEN: options.token,
      [`SCRUM4ME_REPO_ROOT_${options.productId}`]: options.clone,
      ...options.env,
    }
  }

  static async make(options: MachineOptions): Promise<Machine> {
    const machine = new Machine(options)
    await mkdir(machine.env.HOME ?? '', { recursive: true })
    await mkdir(machine.home, { recursive: true, mode: 0o700 })
    return machine
  }

  get pid(): number | null {
    const daemon = this.#daemon
    return daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null
      ? null
      : (daemon.pid ?? null)
  }

  /** A new daemon process; it may still be starting when this returns. */
  async start(env: Record<string, string> = {}): Promise<void> {
    // Appended to by every daemon of this home.
    const log = await open(join(this.dir, 'stderr.log'), 'a')
    try {
      const child = spawn(process.execPath, [this.#options.build.main, 'run', '--home', this.home], {
        cwd: this.dir,
        env: { ...this.env, ...env },
        stdio: ['ignore', log.fd, log.fd],
      })
      this.#ended = new Promise((resolve) => child.once('exit', () => resolve()))
      this.#daemon = child
    } finally {
      await log.close()
    }
    this.#note('started')
  }

  /** Waits until the daemon serves calls that need the database. */
  async ready(): Promise<void> {
    const probe = await this.agent(`probe-${this.name}-${Math.random().toString(36).slice(2)}`)
    await until(
      `${this.name} is ready`,
      async () => {
        if (this.pid === null) throw new Error(`the daemon of ${this.name} ended:\n${await this.log()}`)
        const { result } = probe.call('check_queue_empty', {})
        return (await result).kind === 'ok'
      },
      40_000,
    )
    await this.discard(probe)
  }

  async kill(): Promise<void> {
    if (this.pid === null) return
    this.#note('killed')
    this.#daemon?.kill('SIGKILL')
    await this.#ended
  }

  stop(): void {
    if (this.pid === null) return
    this.#note('stopped')
    this.#daemon?.kill('SIGSTOP')
  }

  continue(): void {
    if (this.pid === null) return
    this.#daemon?.kill('SIGCONT')
    this.#note('continued')
  }

  /** SIGTERM, and a SIGKILL for one that does not end by itself. */
  async terminate(deadlineMs = 20_000): Promise<boolean> {
    if (this.pid === null) return true
    this.#note('terminated')
    this.#daemon?.kill('SIGTERM')
    const stop = new AbortController()
    const late = delay(deadlineMs, stop.signal).then(() => 'late')
    const ended = await Promise.race([this.#ended, late])
    stop.abort()
    if (ended !== 'late') return true
    this.#daemon?.kill('SIGKILL')
    await this.#ended
    return false
  }

  /** A session with a shim, greeted. */
  async agent(sessionId: string): Promise<RawAgent> {
    const agent = new RawAgent({
      shim: this.#options.build.shim,
      home: this.home,
      env: this.env,
      sessionId,
      onShim: (did) => this.#options.history.add({ kind: 'shim', session: sessionId, did }),
    })
    this.#agents.add(agent)
    await agent.open()
    return agent
  }

  async discard(agent: RawAgent): Promise<void> {
    await agent.kill()
    this.#agents.delete(agent)
  }

  /** What `worker_status` says. */
  async status(): Promise<Readonly<Record<string, unknown>>> {
    const probe = await this.agent(`status-${this.name}-${Math.random().toString(36).slice(2)}`)
    try {
      const result = await probe.call('worker_status', {}).result
      if (result.kind !== 'ok') throw new Error(`worker_status: ${JSON.stringify(result)}`)
      return result.content
    } finally {
      await this.discard(probe)
    }
  }

  /** `worker_instance_id` of this home; null before its first start. */
  async instanceId(): Promise<string | null> {
    const text = await readFile(join(this.home, 'state', 'instance.json'), 'utf8').catch(() => '{}')
    const id: unknown = JSON.parse(text).instance_id
    return typeof id === 'string' ? id : null
  }

  /** What this home's daemons said. */
  async log(): Promise<string> {
    const files = [join(this.home, 'logs', 'daemon.log'), join(this.dir, 'stderr.log')]
    return (await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')))).join('')
  }

  /** Sets the wall clock of daemons started with `FAKETIME_TIMESTAMP_FILE`. */
  async setClock(offset: string): Promise<void> {
    await writeFile(join(this.dir, 'clock'), offset)
  }

  /** Ends everything of this machine, stopped processes too. */
  async remove(): Promise<void> {
    for (const agent of this.#agents) await agent.kill()
    if (this.pid !== null) kill(this.pid, 'SIGCONT')
    await this.terminate()
    await this.proxy.close()
  }

  #note(did: 'started' | 'killed' | 'stopped' | 'continued' | 'terminated'): void {
    this.#options.history.add({ kind: 'daemon', machine: this.name, did })
  }
}
