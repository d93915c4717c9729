import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import lockfile from 'proper-lockfile'
import { codeOf, messageOf } from '../errors.ts'
import { delay } from '../lifecycle/delay.ts'
import { type KernelLock, takeKernelLock } from '../lock/kernel-lock.ts'
import type { Logger } from '../logger.ts'
import type { Paths } from '../paths.ts'
import { readProcess } from '../wire/read-process.ts'

/** ms after which others may take the liveness mark for abandoned; it is renewed every half of it. */
const MARK_STALE_MS = 10_000

export interface InstanceLock {
  /** Gives the home free. Tolerates being called twice. */
  release(): Promise<void>
}

/** Another daemon holds the home; its pid where it could be read, for messages only. */
export interface HeldHome {
  readonly heldBy: number | null
}

export interface InstanceLockOptions {
  readonly logger: Logger
  /** The home was deleted or replaced under us: another daemon may start there. Stop without touching it. */
  onLost(reason: string): void
}

/**
 * One daemon a home. What decides is a lock that the kernel frees with its holder (`run/daemon.lock`);
 * a pid in a file or the age of a mark never does. Beside it stands proper-lockfile's mark
 * (`run/daemon.alive`): others may check it without touching anything, and it notices a vanished home.
 */
export async function takeInstanceLock(
  paths: Pick<Paths, 'runDir'>,
  options: InstanceLockOptions,
): Promise<InstanceLock | HeldHome> {
  const kernel = await takeKernelLock(join(paths.runDir, 'daemon.lock'))
  const pidFile = join(paths.runDir, 'daemon.pid')
  if (kernel === null) return { heldBy: await readHolder(pidFile) }
  try {
    const own = await readProcess(process.pid)
    await writeFile(pidFile, `${process.pid} ${own?.startedAt ?? ''}\n`, { mode: 0o600 })
    const mark = new LivenessMark(paths.runDir, kernel, options)
    await mark.take()
    let released: Promise<void> | undefined
    return {
      release() {
        released ??= (async () => {
          await mark.release()
          if (await kernel.isCurrent()) await rm(pidFile, { force: true })
          await kernel.release()
        })()
        return released
      },
    }
  } catch (error) {
    await kernel.release()
    throw error
  }
}

/** proper-lockfile, held only while the kernel lock is ours. */
class LivenessMark {
  readonly #file: string
  readonly #directory: string
  readonly #kernel: KernelLock
  readonly #options: InstanceLockOptions
  /** Undefined once compromised: the mark may be another's by then, and releasing would delete it. */
  #release: (() => Promise<void>) | undefined
  #mending: Promise<void> | undefined
  #released = false

  constructor(runDir: string, kernel: KernelLock, options: InstanceLockOptions) {
    this.#file = join(runDir, 'daemon')
    this.#directory = join(runDir, 'daemon.alive')
    this.#kernel = kernel
    this.#options = options
  }

  async take(): Promise<void> {
    const lock = () =>
      lockfile.lock(this.#file, {
        realpath: false,
        lockfilePath: this.#directory,
        stale: MARK_STALE_MS,
        onCompromised: (error) => {
          this.#mending = this.#compromised(error)
        },
      })
    try {
      this.#release = await lock()
    } catch (error) {
      if (codeOf(error) !== 'ELOCKED') throw error
      // We hold the kernel lock, so whoever made this mark is dead, whatever it has become since.
      await rm(this.#directory, { recursive: true, force: true })
      this.#release = await lock()
    }
  }

  async release(): Promise<void> {
    this.#released = true
    await this.#mending
    const release = this.#release
    this.#release = undefined
    // Compromised in this very moment: then there is nothing of ours left to remove.
    await release?.().catch(() => undefined)
  }

  async #compromised(error: Error): Promise<void> {
    this.#release = undefined
    if (this.#released) return
    try {
      if (await this.#kernel.isCurrent()) {
        this.#options.logger.warn({ err: messageOf(error) }, 'the liveness mark was lost and is made again')
        await this.take()
        return
      }
    } catch (again) {
      this.#options.onLost(`the liveness mark cannot be made again: ${messageOf(again)}`)
      return
    }
    this.#options.onLost(`${this.#file}.lock was deleted or replaced`)
  }
}

/** The file may still name a dead predecessor while the holder starts: wait for one that fits a live process. */
async function readHolder(pidFile: string): Promise<number | null> {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const [pid, startedAt] = await readPidFile(pidFile)
    if (pid > 0) {
      const holder = await readProcess(pid)
      if (holder !== null && (startedAt === undefined || holder.startedAt === startedAt)) return pid
    }
    await delay(50)
  }
  return null
}

async function readPidFile(file: string): Promise<[pid: number, startedAt: string | undefined]> {
  try {
    const [pid, ...startedAt] = (await readFile(file, 'utf8')).trim().split(' ')
    return [Number(pid), startedAt.join(' ') || undefined]
  } catch {
    return [0, undefined]
  }
}
