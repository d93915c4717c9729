import { rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import lockfile from 'proper-lockfile'
import { codeOf, DaemonError } from '../errors.ts'
import { type KernelLock, type TakeLock, takeKernelLock } from './kernel-lock.ts'
import { KeyQueue } from './key-queue.ts'
import { stopped } from './unless-aborted.ts'

/** Name in the clone's common directory, which every process that works on the clone shares. */
const LOCK_NAME = 'scrum4me.lock'
/** How long another process may hold a clone before we give up, seconds. */
const WAIT_SECONDS = 120
const STALE_MS = 10_000
/** How long the kernel's lock is kept for the next in line here, because taking it starts a process, ms. */
const KEPT_MS = 100
/** For how long in all, before other processes get their turn, ms. */
const LONGEST_MS = 1_000

interface Held {
  readonly kernel: KernelLock
  readonly since: number
}

interface Kept extends Held {
  readonly timer: NodeJS.Timeout
}

/**
 * One writer per clone. Whoever makes or ends worktrees, branches or saves of a clone (a fetch needs none of it: git's
 * own lock of its one ref is enough) holds three things, in this order:
 * the queue of this process, a lock that the kernel frees when its holder dies, and proper-lockfile's
 * mark, which others can see. The kernel's lock alone decides: proper-lockfile lets two owners in when
 * a lock goes stale under contention, and takes the lock of a process that was only stopped.
 */
export class RepoLock {
  readonly #queue = new KeyQueue()
  readonly #waitSeconds: number
  readonly #takeLock: TakeLock
  /** Held by nobody here, and not given back yet. By file. */
  readonly #kept = new Map<string, Kept>()

  /** `take`: who takes and holds the kernel's lock; default: this process. */
  constructor(options: { readonly waitSeconds?: number; readonly take?: TakeLock } = {}) {
    this.#waitSeconds = options.waitSeconds ?? WAIT_SECONDS
    this.#takeLock = options.take ?? takeKernelLock
  }

  /** Takes the kernel's lock beforehand if it is free, because that starts a process; the next `run` finds it. */
  warm(commonDir: string, signal: AbortSignal | undefined): void {
    const file = join(commonDir, LOCK_NAME)
    const work = this.#queue.run(commonDir, signal, async () => {
      const kept = await this.#again(file)
      const kernel = kept?.kernel ?? (await this.#takeLock(file, signal === undefined ? {} : { signal }))
      if (kernel !== null) await this.#keep(file, kept ?? { kernel, since: performance.now() })
    })
    // Whoever then needs the lock meets the same obstacle, and tells it.
    work.catch(() => undefined)
  }

  /** Throws WORKTREE_FAILED when another process keeps the clone, or when the signal aborts first. */
  run<T>(commonDir: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    return this.#queue.run(commonDir, signal, async () => {
      const file = join(commonDir, LOCK_NAME)
      const held = (await this.#again(file)) ?? {
        kernel: await this.#take(file, signal),
        since: performance.now(),
      }
      try {
        const release = await mark(file)
        try {
          return await work()
        } finally {
          await release()
        }
      } finally {
        await this.#keep(file, held)
      }
    })
  }

  /** The lock as it was kept; null when it must be taken anew. */
  async #again(file: string): Promise<Held | null> {
    const kept = this.#kept.get(file)
    if (kept === undefined) return null
    clearTimeout(kept.timer)
    this.#kept.delete(file)
    if (await kept.kernel.isCurrent().catch(() => false)) return kept
    await kept.kernel.release()
    return null
  }

  async #keep(file: string, { kernel, since }: Held): Promise<void> {
    if (performance.now() - since > LONGEST_MS) return kernel.release()
    const timer = setTimeout(() => {
      this.#kept.delete(file)
      void kernel.release().catch(() => undefined)
    }, KEPT_MS)
    timer.unref()
    this.#kept.set(file, { kernel, since, timer })
  }

  async #take(file: string, signal: AbortSignal | undefined): Promise<KernelLock> {
    let kernel: KernelLock | null
    try {
      kernel = await this.#takeLock(file, {
        waitSeconds: this.#waitSeconds,
        ...(signal === undefined ? {} : { signal }),
      })
    } catch (error) {
      if (signal?.aborted) throw stopped(signal)
      if (error instanceof DaemonError) throw error
      throw new DaemonError(
        'WORKTREE_FAILED',
        `The clone cannot be locked: ${dirname(file)} does not let us write (${codeOf(error) ?? 'unknown error'})`,
        'Give the user that runs the daemon write access to the repository.',
        error,
      )
    }
    if (kernel !== null) return kernel
    throw new DaemonError(
      'WORKTREE_FAILED',
      `Another process has held ${file} for ${this.#waitSeconds} s; nothing was changed`,
      'Try again; `lsof` on that file names the process.',
    )
  }
}

/** Sets proper-lockfile's mark. We hold the kernel's lock, so a mark that is there belongs to a dead process. */
async function mark(file: string): Promise<() => Promise<void>> {
  let compromised = false
  const take = () =>
    lockfile.lock(file, {
      realpath: false,
      stale: STALE_MS,
      // A stall of ours let the mark expire, or somebody removed it. The kernel's lock still holds.
      onCompromised: () => {
        compromised = true
      },
    })
  const release = await take().catch(async (error: unknown) => {
    if (codeOf(error) !== 'ELOCKED') throw error
    await rmdir(`${file}.lock`).catch((cause: unknown) => {
      if (codeOf(cause) !== 'ENOENT') throw cause
    })
    return take()
  })
  return async () => {
    // Releasing a compromised mark would remove one that is no longer ours.
    if (!compromised) await release().catch(() => undefined)
  }
}
