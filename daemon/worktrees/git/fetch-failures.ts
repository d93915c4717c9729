import type { Repository } from './repository.ts'

/** A clone whose origin could not be fetched the last time that a job needed it. */
export interface FetchFailure {
  readonly repoRoot: string
  /** What git said. */
  readonly reason: string
  /** ms since then. */
  readonly ageMs: number
}

/** Without a job nobody asks origin again; after this long nothing is known any more, ms. */
const KNOWN_MS = 60 * 60_000

/** Remembers, for `status`, which clones' jobs begin from commits that may be old. */
export class FetchFailures {
  /** By common directory. */
  readonly #failed = new Map<string, { repoRoot: string; reason: string; at: number }>()
  readonly #now: () => number

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  failed({ commonDir, root }: Pick<Repository, 'commonDir' | 'root'>, reason: string): void {
    this.#failed.set(commonDir, { repoRoot: root, reason, at: this.#now() })
  }

  answered({ commonDir }: Pick<Repository, 'commonDir'>): void {
    this.#failed.delete(commonDir)
  }

  get recent(): FetchFailure[] {
    const now = this.#now()
    for (const [key, { at }] of this.#failed) if (now - at > KNOWN_MS) this.#failed.delete(key)
    return Array.from(this.#failed.values(), ({ repoRoot, reason, at }) => ({
      ...{ repoRoot, reason },
      ageMs: now - at,
    }))
  }
}
