import { readFile } from 'node:fs/promises'
import { isAbsolute, normalize } from 'node:path'
import { codeOf } from '../errors.ts'
import { type AgentConfig, EMPTY_AGENT_CONFIG, type Preparation, parseAgentConfig } from './agent-config.ts'

export type RootSource = 'session' | 'daemon' | 'file'

export interface RepoRoot {
  readonly path: string
  readonly source: RootSource
}

type Roots = Readonly<Record<string, string>>

/** Every product with a root, as a session with these roots of its own sees it. */
export type RootsOf = (sessionRoots?: Roots) => Map<string, RepoRoot>

/**
 * Where each product's clone is on this machine. Precedence: the session's environment, the daemon's,
 * then the user's file, which is read again at every call so that nothing must be restarted.
 */
export class RepoRoots {
  readonly #daemonRoots: ReadonlyMap<string, string>
  readonly #file: string
  readonly #onWarnings: (warnings: readonly string[]) => void
  #lastWarnings = ''

  /** `onWarnings` hears of faults in the file once per change, not at every read; empty: mended. */
  constructor(
    daemonRoots: Roots,
    file: string,
    onWarnings: (warnings: readonly string[]) => void = () => undefined,
  ) {
    this.#daemonRoots = new Map(Object.entries(daemonRoots))
    this.#file = file
    this.#onWarnings = onWarnings
  }

  get file(): string {
    return this.#file
  }

  async resolve(productId: string, sessionRoots: Roots = {}): Promise<RepoRoot | undefined> {
    return pick(productId, usable(sessionRoots), this.#daemonRoots, (await this.read()).repoRoots)
  }

  /** Every product with a root here, with its root. */
  async known(sessionRoots: Roots = {}): Promise<Map<string, RepoRoot>> {
    return (await this.snapshot())(sessionRoots)
  }

  /** The same for many sessions at one moment: the file is read once. */
  async snapshot(): Promise<RootsOf> {
    const { repoRoots } = await this.read()
    return (sessionRoots = {}) => this.#known(sessionRoots, repoRoots)
  }

  #known(sessionRoots: Roots, repoRoots: ReadonlyMap<string, string>): Map<string, RepoRoot> {
    const session = usable(sessionRoots)
    const known = new Map<string, RepoRoot>()
    for (const id of new Set([...session.keys(), ...this.#daemonRoots.keys(), ...repoRoots.keys()])) {
      const root = pick(id, session, this.#daemonRoots, repoRoots)
      if (root !== undefined) known.set(id, root)
    }
    return known
  }

  async preparation(productId: string): Promise<Preparation | undefined> {
    return (await this.read()).preparation.get(productId)
  }

  /** The file as it is now: missing counts as empty, what is wrong in it is a warning. */
  async read(): Promise<AgentConfig> {
    const config = await readAgentConfig(this.#file)
    const seen = config.warnings.join('\n')
    if (seen !== this.#lastWarnings) {
      this.#lastWarnings = seen
      this.#onWarnings(config.warnings)
    }
    return config
  }
}

async function readAgentConfig(file: string): Promise<AgentConfig> {
  try {
    return parseAgentConfig(await readFile(file, 'utf8'), file)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return EMPTY_AGENT_CONFIG
    return { ...EMPTY_AGENT_CONFIG, warnings: [`${file} cannot be read (${codeOf(error) ?? 'unknown'})`] }
  }
}

function pick(
  id: string,
  session: ReadonlyMap<string, string>,
  daemon: ReadonlyMap<string, string>,
  file: ReadonlyMap<string, string>,
): RepoRoot | undefined {
  const ordered: readonly [RootSource, string | undefined][] = [
    ['session', session.get(id)],
    ['daemon', daemon.get(id)],
    ['file', file.get(id)],
  ]
  for (const [source, path] of ordered) if (path !== undefined) return { path, source }
  return undefined
}

/** A shim hands over its environment unchecked; what is no absolute path there does not count. */
function usable(roots: Roots): Map<string, string> {
  const absolute = Object.entries(roots).filter(([, path]) => isAbsolute(path))
  return new Map(absolute.map(([id, path]) => [id, normalize(path)]))
}
