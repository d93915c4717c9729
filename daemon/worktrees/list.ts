import type { WorktreeState } from '../wire/status-report.ts'
import type { Engine } from './engine.ts'
import { withoutFilters } from './git/safe-config.ts'
import { type Found, takeInventory } from './inventory.ts'
import type { JobRecord } from './job-record.ts'

export interface WorktreeInfo {
  readonly jobId: string
  readonly path: string
  readonly branch: string | null
  readonly state: WorktreeState
  /** Uncommitted or untracked files; null when git could not tell. */
  readonly dirty: boolean | null
  /** On disk; counted in the background, null until then. */
  readonly bytes: number | null
  readonly reason: string | null
}

/** How old a count of bytes may be, ms. */
const BYTES_AGE_MS = 60_000
const AT_A_TIME = 4

/** Looks at worktrees for people; remembers sizes, which take longest. */
export class Overview {
  readonly #engine: Engine
  readonly #isReleased: (jobId: string) => boolean
  readonly #bytes = new Map<string, { readonly bytes: number | null; readonly at: number }>()

  constructor(engine: Engine, isReleased: (jobId: string) => boolean) {
    this.#engine = engine
    this.#isReleased = isReleased
  }

  async list(): Promise<WorktreeInfo[]> {
    const inventory = await takeInventory(this.#engine, [])
    const here = new Set(inventory.map(({ path }) => path))
    for (const path of this.#bytes.keys()) if (!here.has(path)) this.#bytes.delete(path)
    const infos: WorktreeInfo[] = []
    for (let start = 0; start < inventory.length; start += AT_A_TIME) {
      const batch = inventory.slice(start, start + AT_A_TIME)
      infos.push(...(await Promise.all(batch.map((found) => this.#look(found)))))
    }
    return infos
  }

  async #look(found: Found): Promise<WorktreeInfo> {
    const { record, listed } = found
    const jobId = record?.jobId ?? found.name
    const shown = record === null ? unrecorded(found, this.#engine.instanceId) : recorded(record)
    return {
      jobId,
      path: this.#engine.layout.shown(found.path),
      branch: listed?.worktree.branch ?? record?.branch ?? null,
      ...(shown.state === 'active' && this.#isReleased(jobId) ? RELEASED : shown),
      dirty: await this.#isDirty(found),
      bytes: await this.#bytesOf(found),
    }
  }

  async #isDirty(found: Found): Promise<boolean | null> {
    const { record, listed } = found
    if (!found.isThere || record?.phase === 'creating' || (record === null && listed === null)) return null
    try {
      const repository =
        listed?.repository ??
        (await this.#engine.repositories.open(record?.repoRoot ?? '', this.#engine.stopping))
      const status = await this.#engine.git.text(
        {
          dir: found.path,
          signal: this.#engine.stopping,
          config: [...repository.settings, ...withoutFilters(repository.config)],
          env: { GIT_OPTIONAL_LOCKS: '0' },
          low: true,
        },
        'status',
        '--porcelain',
        '--ignore-submodules=dirty',
      )
      return status !== ''
    } catch {
      return null
    }
  }

  async #bytesOf(found: Found): Promise<number | null> {
    if (!found.isThere) return 0
    const known = this.#bytes.get(found.path)
    const now = this.#engine.now().getTime()
    if (known !== undefined && now - known.at < BYTES_AGE_MS) return known.bytes
    const bytes = await this.#engine.disk.usedBytes(found.path, this.#engine.stopping)
    this.#bytes.set(found.path, { bytes, at: now })
    return bytes
  }
}

type Shown = Pick<WorktreeInfo, 'state' | 'reason'>

const RELEASED: Shown = {
  state: 'released',
  reason: 'its job waits in the queue again; handed over if it is claimed here within a day',
}

function recorded(record: JobRecord): Shown {
  return { state: stateOf(record), reason: record.keptReason ?? record.removal?.reason ?? null }
}

function stateOf(record: JobRecord): WorktreeState {
  if (record.phase === 'creating') return 'creating'
  if (record.phase !== 'ready') return 'removing'
  if (record.removal !== null) return 'deferred'
  return record.keptReason === null ? 'active' : 'kept'
}

function unrecorded(found: Found, instanceId: string): Shown {
  if (isRestored(found)) return { state: 'restored', reason: RESTORED }
  const maker = found.listed?.marker?.instanceId
  const reason = maker === undefined ? 'not made by this installation' : `made by installation ${maker}`
  return { state: maker === instanceId ? 'active' : 'unknown', reason }
}

/** By its name and by what it has not: a marker, which would say whose it is. */
export function isRestored({ name, listed, record }: Found): boolean {
  return record === null && listed !== null && listed.marker === null && RESTORED_NAME.test(name)
}

const RESTORED_NAME = /.-restored(-\d+)?$/
export const RESTORED =
  'restored work, yours to look through; `git worktree remove` when it is no longer needed'
