import { messageOf } from '../errors.ts'
import { delay } from '../lifecycle/delay.ts'
import type { Service } from '../lifecycle/service.ts'
import type { Logger } from '../logger.ts'
import type { StatusReport } from '../wire/status-report.ts'
import type { Worktrees } from '../worktrees/worktrees.ts'

const EVERY_MS = 60_000
/** From a change to the look, so that nobody who waits for what changed waits for the look, ms. */
const SOON_MS = 500
/** Between two looks, however much changes. */
const PAUSE_MS = 2_000

/**
 * What `status` says of worktrees, looked up in the background: sizes and git's view of a worktree take
 * longer than `status` may.
 */
export class WorktreeGlance implements Service {
  readonly name = 'worktree-glance'
  readonly #worktrees: Worktrees
  readonly #directory: string
  readonly #logger: Logger
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | null = null
  #again = false
  #stopped = false
  readonly #abort = new AbortController()
  #last: StatusReport['worktrees'] = null

  constructor(worktrees: Worktrees, directory: string, logger: Logger) {
    this.#worktrees = worktrees
    this.#directory = directory
    this.#logger = logger
  }

  get last(): StatusReport['worktrees'] {
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
    if (this.#running !== null) {
      this.#again = true
      return
    }
    this.#running = delay(SOON_MS, this.#abort.signal)
      .then(() => this.#look())
      // Sizes cost the disk something: a burst of changes is looked at once, after it.
      .then(() => delay(PAUSE_MS, this.#abort.signal))
      .finally(() => {
        this.#running = null
        if (!this.#again) return
        this.#again = false
        this.refresh()
      })
  }

  async #look(): Promise<void> {
    if (this.#stopped) return
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
  }
}
