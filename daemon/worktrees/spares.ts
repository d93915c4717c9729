import { rename, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../errors.ts'
import { delay } from '../lifecycle/delay.ts'
import { discardSpare } from './discard-spare.ts'
import { freeBytes } from './disk.ts'
import type { Engine } from './engine.ts'
import { moveTo } from './git/check-out.ts'
import { checkoutSettings } from './git/checkout-settings.ts'
import { readPlainFile } from './git/read-plain-file.ts'
import { findAdminDir, replaceFile } from './git/registration.ts'
import type { Repository } from './git/repository.ts'
import { makeSpare } from './make-spare.ts'
import type { SpareRecord } from './spare-record.ts'

/** Clones that have a spare at a time; the least recently used one loses its. */
const MAX_SPARES = 4
/** A clone without jobs for so long needs none, ms. */
const FORGET_AFTER_MS = 7 * 24 * 3600_000
/** Jobs come in bursts: making a spare waits until this one's agent has begun, ms. */
const QUIET_MS = 2_000

/** What a job's worktree will be; `sha` is where its branch begins. */
export interface Wanted {
  readonly path: string
  readonly branch: string
  readonly lockReason: string
}

/** A spare that nobody else gets. */
export interface Reserved {
  readonly spare: SpareRecord
  /** The clone's side of it. */
  readonly admin: string
}

/**
 * Spare worktrees, one for each clone with recent jobs, so that a job waits for a rename instead of a checkout.
 * Made in the background at low priority; bounded in number and by free disk space; locked with a reason that
 * explains them. Without one, or when anything about it is odd, the job gets a plain worktree.
 */
export class Spares {
  readonly #engine: Engine
  readonly #enabled: boolean
  /** Those that somebody is taking, updating or discarding. */
  readonly #busy = new Set<string>()
  /** Clones that want one, by common directory, with the commit. */
  readonly #wanted = new Map<string, { readonly repoRoot: string; readonly sha: string }>()
  readonly #discarding = new Set<Promise<void>>()
  #wake = (): void => undefined

  constructor(engine: Engine, enabled: boolean) {
    this.#engine = engine
    this.#enabled = enabled
  }

  /**
   * The clone's spare, brought to `sha`; null when there is none that fits. Whoever gets it must `handOver` it or
   * `giveBack`.
   */
  async reserve(
    repository: Repository,
    sha: string,
    options: { readonly signal: AbortSignal; readonly sshAuthSock?: string | null | undefined },
  ): Promise<Reserved | null> {
    if (!this.#enabled) return null
    const spares = await this.#engine.records.spares()
    const spare = spares.find(
      ({ commonDir, phase, name }) =>
        commonDir === repository.commonDir && phase === 'ready' && !this.#busy.has(name),
    )
    if (spare === undefined) return null
    this.#busy.add(spare.name)
    try {
      // Not before the commit was known: somebody may have worked in it while origin was asked.
      const admin = await this.#fitting(spare, repository)
      if (admin === null) throw new Error('it does not fit any more')
      if (spare.sha === sha) return { spare, admin }
      const move = { from: spare.sha, to: sha, how: '--keep' } as const
      const warnings = await moveTo(this.#engine.git, repository, spare.path, move, options)
      if (warnings.length > 0) throw new Error(warnings.join('; '))
      const moved: SpareRecord = { ...spare, sha }
      await this.#engine.records.putSpare(moved)
      return { spare: moved, admin }
    } catch (error) {
      this.#engine.logger.info({ spare: spare.path, why: messageOf(error) }, 'a spare worktree is not used')
      void this.discard(spare)
      return null
    }
  }

  /** Makes a reserved spare the job's worktree. The caller holds the clone's lock, and the branch exists. */
  async handOver({ spare, admin }: Reserved, wanted: Wanted): Promise<void> {
    await rename(spare.path, wanted.path)
    await Promise.all([
      replaceFile(join(admin, 'gitdir'), `${join(wanted.path, '.git')}\n`),
      replaceFile(join(admin, 'HEAD'), `ref: refs/heads/${wanted.branch}\n`),
      replaceFile(join(admin, 'locked'), `${wanted.lockReason}\n`),
      // It is not there any more, whatever becomes of the files.
      this.#engine.records.forgetSpare(spare.name),
    ])
    this.#busy.delete(spare.name)
  }

  /** A reserved spare that was not handed over: as good as before, or discarded. */
  async giveBack({ spare }: Reserved): Promise<void> {
    if ((await this.#intact(spare)) !== null) this.#busy.delete(spare.name)
    else await this.discard(spare)
  }

  /** The disk is short: jobs need the room more. */
  async giveUp(): Promise<void> {
    for (const spare of await this.#engine.records.spares()) {
      if (!this.#busy.has(spare.name)) await this.discard(spare)
    }
  }

  /** A job was created here: the clone wants a spare at this commit for the next one. */
  want(repository: Repository, sha: string): void {
    // What is handed over is written into git's files.
    if (!this.#enabled || !repository.refsInFiles) return
    this.#wanted.set(repository.commonDir, { repoRoot: repository.root, sha })
    this.#wake()
  }

  /** Discards what does not belong, then makes spares as they are wanted. Runs until the engine stops. */
  async run(): Promise<void> {
    const { stopping } = this.#engine
    await this.#clear().catch((error: unknown) => {
      this.#engine.logger.warn({ why: messageOf(error) }, 'old spare worktrees could not be looked at')
    })
    while (!stopping.aborted) {
      if (this.#wanted.size === 0) await this.#nextWish()
      await delay(QUIET_MS, stopping)
      for (const [commonDir, { repoRoot, sha }] of this.#wanted) {
        if (stopping.aborted) return
        this.#wanted.delete(commonDir)
        await this.#make(commonDir, repoRoot, sha).catch((error: unknown) => {
          if (stopping.aborted) return
          this.#engine.logger.info({ clone: repoRoot, why: messageOf(error) }, 'no spare worktree was made')
        })
      }
    }
  }

  /** Resolves when nothing is being discarded. */
  async settled(): Promise<void> {
    while (this.#discarding.size > 0) await Promise.all(this.#discarding)
  }

  /** Removes a spare that is in nobody's hands; never throws. */
  discard(spare: SpareRecord): Promise<void> {
    this.#busy.add(spare.name)
    const work = discardSpare(this.#engine, spare).finally(() => {
      this.#busy.delete(spare.name)
      this.#discarding.delete(work)
    })
    this.#discarding.add(work)
    return work
  }

  async #make(commonDir: string, repoRoot: string, sha: string): Promise<void> {
    const { records, now } = this.#engine
    const wantedAt = now().toISOString()
    const spares = await records.spares()
    const there = spares.find((spare) => spare.commonDir === commonDir)
    if (there !== undefined) {
      // One that is being handed over just now must not get its record back.
      return this.#busy.has(there.name) ? undefined : records.putSpare({ ...there, wantedAt })
    }
    await this.#makeRoom(spares)
    await makeSpare(this.#engine, { repoRoot, sha, wantedAt }, (spare) => this.discard(spare))
  }

  /** Throws when the disk has no room; otherwise takes a spare from the clone that had no job for the longest time. */
  async #makeRoom(spares: readonly SpareRecord[]): Promise<void> {
    const largest = Math.max(0, ...spares.map(({ bytes }) => bytes ?? 0))
    const free = await freeBytes(this.#engine.layout.parent)
    // Spares come last: a job needs its own room above the floor.
    if (free < 2 * (this.#engine.minFreeDiskBytes + largest)) throw new Error('the disk has too little room')
    const oldestFirst = [...spares].sort((a, b) => a.wantedAt.localeCompare(b.wantedAt))
    for (const spare of oldestFirst.slice(0, Math.max(0, spares.length + 1 - MAX_SPARES))) {
      if (!this.#busy.has(spare.name)) await this.discard(spare)
    }
  }

  /** At start: cut-off and unused ones go, and all of them when spares are switched off. */
  async #clear(): Promise<void> {
    const now = this.#engine.now().getTime()
    for (const spare of await this.#engine.records.spares()) {
      if (this.#engine.stopping.aborted) return
      const isOld = now - Date.parse(spare.wantedAt) > FORGET_AFTER_MS
      const stays = this.#enabled && !isOld && spare.phase === 'ready' && (await this.#intact(spare)) !== null
      if (!stays && !this.#busy.has(spare.name)) await this.discard(spare)
    }
    await rmdir(await this.#engine.layout.spares()).catch(() => undefined)
  }

  /** Its administrative directory, if a checkout made now would be what it is. */
  async #fitting(spare: SpareRecord, repository: Repository): Promise<string | null> {
    const [settings, admin] = await Promise.all([checkoutSettings(repository), this.#intact(spare)])
    return settings === spare.settings ? admin : null
  }

  /** Its administrative directory, if it stands as it was made. */
  async #intact(spare: SpareRecord): Promise<string | null> {
    const [admin, own] = await Promise.all([
      findAdminDir(spare.commonDir, spare.path),
      readPlainFile(join(spare.path, '.git'), 'utf8'),
    ])
    // `git worktree repair` may have made its path a relative one, which would lead elsewhere after the rename.
    if (admin === null || own !== `gitdir: ${admin}\n`) return null
    const head = await readPlainFile(join(admin, 'HEAD'))
    return head?.trim() === spare.sha ? admin : null
  }

  #nextWish(): Promise<void> {
    const { stopping } = this.#engine
    return new Promise((resolve) => {
      const done = () => {
        stopping.removeEventListener('abort', done)
        resolve()
      }
      this.#wake = done
      stopping.addEventListener('abort', done, { once: true })
      if (stopping.aborted || this.#wanted.size > 0) done()
    })
  }
}
