import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DaemonError } from '../../errors.ts'
import type { Invocation } from '../invocation.ts'
import { hasSystemd } from './has-systemd.ts'
import { runTool, type ToolResult } from './run-tool.ts'
import type { Installed, Service } from './service.ts'
import { wordOfCommand } from './template.ts'

export interface SystemdOptions {
  readonly name: string
  readonly scope: 'user' | 'system'
  render(): Promise<string>
}

const SYSTEM_DIRECTORY = '/etc/systemd/system'

/** A unit of the user's manager, or of the system's. */
export class SystemdService implements Service {
  readonly kind = 'systemd' as const
  readonly name: string
  readonly scope: 'user' | 'system'
  readonly file: string
  readonly render: () => Promise<string>
  readonly #env: NodeJS.ProcessEnv
  readonly #home: string

  constructor({ env, paths }: Pick<Invocation, 'env' | 'paths'>, options: SystemdOptions) {
    this.name = options.name
    this.scope = options.scope
    this.render = options.render
    this.file = join(options.scope === 'system' ? SYSTEM_DIRECTORY : userDirectory(env), this.name)
    this.#env = withRuntimeDirectory(env)
    this.#home = paths.home
  }

  async installedFor(): Promise<Installed> {
    const text = await readFile(this.file, 'utf8').catch(() => undefined)
    const word = text === undefined ? undefined : / run --home (.+)$/m.exec(text)?.[1]
    const home = word === undefined ? undefined : wordOfCommand(word)
    return { text, home, isOurs: home === this.#home }
  }

  async enable(text: string): Promise<void> {
    await this.#reachable()
    await mkdir(dirname(this.file), { recursive: true })
    const draft = `${this.file}.${process.pid}.tmp`
    await writeFile(draft, text, { mode: 0o644 })
    await rename(draft, this.file)
    await this.#must(['daemon-reload'])
    await this.#must(['enable', this.name])
  }

  async remove(): Promise<void> {
    // Whatever of this was never done, or is already undone, is no reason to leave the rest.
    await this.#systemctl(['disable', '--now', this.name])
    await rm(this.file, { force: true })
    await this.#systemctl(['daemon-reload'])
    await this.#systemctl(['reset-failed', this.name])
  }

  async start(): Promise<void> {
    // After a fault of configuration the unit has failed for good; being asked again is a new beginning.
    await this.#systemctl(['reset-failed', this.name])
    await this.#must(['start', this.name])
  }

  async stop(): Promise<void> {
    await this.#must(['stop', this.name])
  }

  async restart(): Promise<void> {
    await this.#systemctl(['reset-failed', this.name])
    await this.#must(['restart', this.name])
  }

  logCommand(lines: number, follow: boolean): readonly string[] {
    const unit = this.scope === 'user' ? ['--user-unit', this.name] : ['--unit', this.name]
    return ['journalctl', ...unit, '-o', 'cat', '-n', String(lines), '--no-pager', ...(follow ? ['-f'] : [])]
  }

  /** Without a manager nothing is written: a unit that nobody reads would only seem to be installed. */
  async #reachable(): Promise<void> {
    const { code, stderr } = await this.#systemctl(['show', '--property=Version'])
    if (code === 0) return
    if (code === 'missing' || !(await hasSystemd())) {
      throw new DaemonError(
        'VALIDATION_ERROR',
        'No systemd runs on this machine; nothing was installed',
        'Use `scrum4me-daemon start`, or have your own supervisor execute `scrum4me-daemon run`.',
      )
    }
    const remedy =
      this.scope === 'user'
        ? 'Log in as this user directly (not by su or sudo), or run `loginctl enable-linger` first; on a server use `install --system`.'
        : 'Run it where systemd is process 1, as root.'
    throw new DaemonError(
      'VALIDATION_ERROR',
      `The ${this.scope} manager of systemd does not answer (${stderr.trim()}); nothing was installed`,
      remedy,
    )
  }

  async #must(args: readonly string[]): Promise<void> {
    const { code, stderr } = await this.#systemctl(args)
    if (code === 0) return
    const needsRoot = this.scope === 'system' && process.getuid?.() !== 0
    throw new DaemonError(
      needsRoot ? 'PERMISSION_DENIED' : 'INTERNAL',
      `systemctl ${args.join(' ')} failed: ${stderr.trim() || `exit ${code}`}`,
      needsRoot
        ? `The service is the system’s: \`sudo systemctl ${args.join(' ')}\`.`
        : '`scrum4me-daemon logs` shows what the daemon said.',
    )
  }

  #systemctl(args: readonly string[]): Promise<ToolResult> {
    return runTool('systemctl', this.scope === 'user' ? ['--user', ...args] : [...args], this.#env)
  }
}

function userDirectory(env: NodeJS.ProcessEnv): string {
  return join(env.XDG_CONFIG_HOME || join(env.HOME ?? '/', '.config'), 'systemd', 'user')
}

/** sudo and cron leave it out, but where it is is no secret. */
function withRuntimeDirectory(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  if (env.XDG_RUNTIME_DIR) return env
  return { ...env, XDG_RUNTIME_DIR: `/run/user/${process.getuid?.() ?? 0}` }
}
