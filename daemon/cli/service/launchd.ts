import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { DaemonError } from '../../errors.ts'
import type { Invocation } from '../invocation.ts'
import { runTool, type ToolResult } from './run-tool.ts'
import type { Installed, Service } from './service.ts'
import { textOfXml } from './template.ts'

export interface LaunchdOptions {
  readonly name: string
  render(): Promise<string>
  /** Default: the user's LaunchAgents. */
  readonly directory?: string
}

/** A LaunchAgent of this user. Not tried on a Mac; see launchd/README.md. */
export class LaunchdService implements Service {
  readonly kind = 'launchd' as const
  readonly scope = 'user' as const
  readonly name: string
  readonly file: string
  readonly render: () => Promise<string>
  readonly #env: NodeJS.ProcessEnv
  readonly #logDir: string
  readonly #home: string

  constructor(
    { env, paths }: Pick<Invocation, 'env' | 'paths'>,
    { name, render, directory = join(homedir(), 'Library', 'LaunchAgents') }: LaunchdOptions,
  ) {
    this.name = name
    this.file = join(directory, `${this.name}.plist`)
    this.render = render
    this.#env = env
    this.#logDir = paths.logDir
    this.#home = paths.home
  }

  async installedFor(): Promise<Installed> {
    const text = await readFile(this.file, 'utf8').catch(() => undefined)
    const xml = text === undefined ? undefined : HOME_ARGUMENT.exec(text)?.[1]
    const home = xml === undefined ? undefined : textOfXml(xml)
    return { text, home, isOurs: home === this.#home }
  }

  async enable(text: string): Promise<void> {
    await mkdir(dirname(this.file), { recursive: true })
    // launchd opens the log file itself, before there is a daemon to make its directory.
    await mkdir(this.#logDir, { recursive: true, mode: 0o700 })
    const draft = `${this.file}.${process.pid}.tmp`
    await writeFile(draft, text, { mode: 0o644 })
    await rename(draft, this.file)
    // A loaded definition is not read again: it is unloaded, and `start` loads the new one.
    await this.#launchctl(['bootout', `${await this.#domain()}/${this.name}`])
    await this.#launchctl(['enable', `${await this.#domain()}/${this.name}`])
  }

  async remove(): Promise<void> {
    await this.#launchctl(['bootout', `${await this.#domain()}/${this.name}`])
    await rm(this.file, { force: true })
  }

  async start(): Promise<void> {
    const domain = await this.#domain()
    const loaded = await this.#launchctl(['print', `${domain}/${this.name}`])
    // Unloading takes a moment in which loading fails with EIO (5); kickstart then has nothing to start.
    const result =
      loaded.code === 0
        ? await this.#launchctl(['kickstart', `${domain}/${this.name}`])
        : await this.#launchctl(['bootstrap', domain, this.file])
    if (result.code !== 0) throw failed('start', result)
  }

  /** Unloads it: a loaded agent is started again whatever it ends with. */
  async stop(): Promise<void> {
    await this.#launchctl(['bootout', `${await this.#domain()}/${this.name}`])
  }

  async restart(): Promise<void> {
    const domain = await this.#domain()
    const result = await this.#launchctl(['kickstart', '-k', `${domain}/${this.name}`])
    if (result.code !== 0) await this.start()
  }

  /** The daemon keeps its log itself: launchd does not rotate. */
  logCommand(): undefined {
    return undefined
  }

  /** With a login at the screen its session, else the user's background one. */
  async #domain(): Promise<string> {
    const uid = process.getuid?.() ?? 0
    const gui = await this.#launchctl(['print', `gui/${uid}`])
    return gui.code === 0 ? `gui/${uid}` : `user/${uid}`
  }

  #launchctl(args: readonly string[]): Promise<ToolResult> {
    return runTool('launchctl', args, this.#env)
  }
}

const HOME_ARGUMENT = /<string>--home<\/string>\s*<string>([^<]*)<\/string>/

function failed(what: string, { code, stderr }: ToolResult): DaemonError {
  return new DaemonError(
    'INTERNAL',
    `launchctl could not ${what} the daemon: ${stderr.trim() || `exit ${code}`}`,
    '`scrum4me-daemon logs` shows what it said; `launchctl print` shows what launchd thinks of it.',
  )
}
