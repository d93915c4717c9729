import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { DaemonError } from '../../errors.ts'
import { delay } from '../../lifecycle/delay.ts'
import type { Invocation } from '../invocation.ts'
import { runTool, type ToolResult } from './run-tool.ts'
import type { Installed, Service } from './service.ts'
import { textOfXml } from './template.ts'

/**
 * Where an agent lives: `Aqua` in the session of a login at the screen, with its keychain and ssh-agent,
 * `Background` in the user's own domain, which is there without one (ssh only). In both at once it would run twice.
 */
export type LaunchdSession = 'Aqua' | 'Background'

/** ms; ExitTimeOut of the property list and some more, and what launchd itself takes to forget an agent. */
const UNLOAD_DEADLINE_MS = 45_000
const LOAD_DEADLINE_MS = 15_000
const POLL_MS = 200

/** EIO and EALREADY: what went by that name is not all gone, or is there already. */
const PASSING: readonly unknown[] = [5, 37]

export interface LaunchdOptions {
  readonly name: string
  render(session: LaunchdSession): Promise<string>
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
  /** The file says something else than what launchd has loaded. */
  #isStale = false

  constructor(
    { env, paths }: Pick<Invocation, 'env' | 'paths'>,
    { name, render, directory = join(homedir(), 'Library', 'LaunchAgents') }: LaunchdOptions,
  ) {
    this.name = name
    this.file = join(directory, `${this.name}.plist`)
    this.render = async () => render(await this.#session())
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
    const { text: before } = await this.installedFor()
    await mkdir(dirname(this.file), { recursive: true })
    // launchd opens the log file itself, before there is a daemon to make its directory.
    await mkdir(this.#logDir, { recursive: true, mode: 0o700 })
    const draft = `${this.file}.${process.pid}.tmp`
    await writeFile(draft, text, { mode: 0o644 })
    await rename(draft, this.file)
    // A loaded definition is not read again: `start` and `restart` load the new one. The daemon is not ended here,
    // because its sessions are to hear first that the next one comes.
    if (before !== text) this.#isStale = true
    if (before !== undefined && domainOf(before) !== domainOf(text)) await this.#unload(domainOf(before))
    await this.#launchctl(['enable', `${domainOf(text)}/${this.name}`])
  }

  async remove(): Promise<void> {
    await this.stop()
    await rm(this.file, { force: true })
  }

  async start(): Promise<void> {
    const domain = await this.#domain()
    if (this.#isStale) await this.#unload(domain)
    else if ((await this.#isLoaded(domain)) && (await this.#kick(domain))) return
    await this.#load(domain)
    this.#isStale = false
  }

  /** Unloads it: a loaded agent is started again whatever it ends with. */
  async stop(): Promise<void> {
    await this.#unload(await this.#domain())
  }

  /** The daemon has ended before; launchd may have started the next one already. */
  restart(): Promise<void> {
    return this.start()
  }

  /** The daemon keeps its log itself: launchd does not rotate. */
  logCommand(): undefined {
    return undefined
  }

  /** Where launchd has, or will have, what the file says. */
  async #domain(): Promise<string> {
    return domainOf((await this.installedFor()).text ?? '')
  }

  /** Of an agent that is installed now. */
  async #session(): Promise<LaunchdSession> {
    return (await this.#launchctl(['print', `gui/${uid()}`])).code === 0 ? 'Aqua' : 'Background'
  }

  async #isLoaded(domain: string): Promise<boolean> {
    return (await this.#launchctl(['print', `${domain}/${this.name}`])).code === 0
  }

  /** Starts a loaded one at once if it does not run; false: it is loaded no more. A loaded one comes up anyway. */
  async #kick(domain: string): Promise<boolean> {
    const { code } = await this.#launchctl(['kickstart', `${domain}/${this.name}`])
    return code === 0 || (await this.#isLoaded(domain))
  }

  /** `bootout` may return while the daemon still drains, and its name is taken until launchd has cleared up. */
  async #unload(domain: string): Promise<void> {
    const deadline = Date.now() + UNLOAD_DEADLINE_MS
    await this.#launchctl(['bootout', `${domain}/${this.name}`])
    while ((await this.#isLoaded(domain)) && Date.now() < deadline) await delay(POLL_MS)
  }

  /** Fails for a moment after an unload, also when the name is free again by all accounts. */
  async #load(domain: string): Promise<void> {
    const deadline = Date.now() + LOAD_DEADLINE_MS
    for (;;) {
      const result = await this.#launchctl(['bootstrap', domain, this.file])
      if (result.code === 0) return
      // Another command was faster.
      if ((await this.#isLoaded(domain)) && (await this.#kick(domain))) return
      if (!PASSING.includes(result.code) || Date.now() > deadline) throw failed('start', result)
      await delay(POLL_MS)
    }
  }

  #launchctl(args: readonly string[]): Promise<ToolResult> {
    return runTool('launchctl', args, this.#env)
  }
}

const SESSION = /<key>LimitLoadToSessionType<\/key>\s*<string>([^<]*)<\/string>/
const HOME_ARGUMENT = /<string>--home<\/string>\s*<string>([^<]*)<\/string>/

function uid(): number {
  return process.getuid?.() ?? 0
}

/** By the session that the property list is for. */
function domainOf(text: string): string {
  return SESSION.exec(text)?.[1] === 'Background' ? `user/${uid()}` : `gui/${uid()}`
}

function failed(what: string, { code, stderr }: ToolResult): DaemonError {
  return new DaemonError(
    'INTERNAL',
    `launchctl could not ${what} the daemon: ${stderr.trim() || `exit ${code}`}`,
    '`scrum4me-daemon logs` shows what it said; `launchctl print` shows what launchd thinks of it.',
  )
}
