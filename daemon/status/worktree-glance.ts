import { messageOf } from '../errors.ts'
import { delay } from '../lifecycle/delay.ts'
import type { Service } from '../lifecycle/service.ts'
import type { Logger } from '../logger.ts'
import type { StatusReport } from '../wire/status-report.ts'
import type { Worktrees } from '../worktrees/worktrees.ts'
import { patiently } from './patiently.ts'

const EVERY_MS = 60_000
type Looked = Pick<Worktrees, 'list' | 'saved' | 'freeDiskBytes'>

/** From a change to the look, so that nobody who waits for what changed waits for the look, ms. */
const SOON_MS = 500
/** Between two looks, however much changes. */
const PAUSE_MS = 2_000
/** Where a look took this long, `status` begins none of its own. */
const LONG_MS = 1_000

/**
 * What `status` says of worktrees, looked up in the background: sizes and git's view of many worktrees take
 * longer than `status` may.
 */
export class WorktreeGlance implements Service {
  readonly name = 'worktree-glance'
  readonly #worktrees: Looked
  readonly #directory: string
  readonly #logger: Logger
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | null = null
  #again = false
  /** Something changed since the last look began. */
  #isStale = false
  #looking: Promise<void> | null = null
  /** How long the last look took, ms. */
  #tookMs = 0
  #stopped = false
  readonly #abort = new AbortController()
  #last: StatusReport['worktrees'] = null

  constructor(worktrees: Looked, directory: string, logger: Logger) {
    this.#worktrees = worktrees
    this.#directory = directory
    this.#logger = logger
  }

  /**
   * What is there now, if looking is quick here: a job that was just handed out or ended shows at once, and so does
   * work that could not be saved. Else what the last look found.
   */
  async read(): Promise<StatusReport['worktrees']> {
    if ((this.#isStale || this.#looking !== null) && this.#tookMs < LONG_MS) {
      await patiently(this.#lookAtChanges())
    }
    return this.#last
  }

  async start(): Promise<void> {
    this.#timer = setInterval(() => this.refresh(), EVERY_MS)
    this.refresh()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#abort.abort()
    clearInterval(this.#timer)
    await this.#running
  }

  /** Looks again soon; many requests make one look more. */
  refresh(): void {
    if (this.#stopped) return
    this.#isStale = true
    if (this.#running !== null) {
      this.#again = true
      return
    }
    this.#running = delay(SOON_MS, this.#abort.signal)
      .then(() => this.#lookAtChanges())
      // Sizes cost the disk something: a burst of changes is looked at once, after it.
      .then(() => delay(PAUSE_MS, this.#abort.signal))
      .finally(() => {
        this.#running = null
        if (!this.#again) return
        this.#again = false
        this.refresh()
      })
  }

  /** A look that began before the change does not show it. */
  async #lookAtChanges(): Promise<void> {
    if (this.#looking !== null) await this.#looking
    if (this.#isStale) await this.#look()
  }

  #look(): Promise<void> {
    this.#looking ??= this.#lookNow().finally(() => {
      this.#looking = null
    })
    return this.#looking
  }

  async #lookNow(): Promise<void> {
    if (this.#stopped) return
    this.#isStale = false
    const began = performance.now()
    try {
      const [list, saved, free] = await Promise.all([
        this.#worktrees.list(),
        this.#worktrees.saved(),
        this.#worktrees.freeDiskBytes().catch(() => null),
      ])
      const sizes = list.map((tree) => tree.bytes)
      this.#last = {
        directory: this.#directory,
        count: list.length,
        bytes: sizes.reduce<number>((sum, bytes) => sum + (bytes ?? 0), 0),
        free_disk_bytes: free,
        saved: saved.length,
        entries: list.map((tree) => ({
          job_id: tree.jobId,
          path: tree.path,
          branch: tree.branch,
          state: tree.state,
          reason: tree.reason,
          bytes: tree.bytes,
        })),
      }
    } catch (error) {
      this.#logger.debug({ err: messageOf(error) }, 'worktrees could not be looked at')
    }
    this.#tookMs = performance.now() - began
  }
}
