import { messageOf } from '../errors.ts'
import type { RecordStore } from '../state/record-store.ts'
import type { ClaimRecord, ClaimState } from './claim-record.ts'
import { LEASED } from './claim-record.ts'

/**
 * The claims this daemon remembers, in memory and on disk. Memory changes at once; the returned
 * promise says when the disk has it. Whoever must not forget (a report) awaits it first.
 */
export class ClaimBook {
  readonly #store: RecordStore<ClaimRecord>
  readonly #claims = new Map<string, ClaimRecord>()
  /** When each claim came into its state, on the monotonic clock; for one from the disk, when it was read. */
  readonly #since = new Map<string, number>()
  /** Jobs whose last change is in memory only, with why. */
  readonly #unwritten = new Map<string, string>()
  /** Jobs of claims of an earlier daemon, whose disk may have taken no note of what became of them. */
  readonly #inherited = new Set<string>()
  #isRetrying = false
  readonly #locks = new Map<string, Promise<unknown>>()

  constructor(store: RecordStore<ClaimRecord>) {
    this.#store = store
  }

  /** Reads what an earlier daemon of this home remembered; answers names of unreadable records. */
  async load(instanceId: string): Promise<string[]> {
    const { records, unreadable } = await this.#store.load()
    for (const [jobId, record] of records) {
      // A copied home brings records of another instance's claims; they are not ours to renew. But a report must
      // not be lost with the name of its instance: it counts at most once, whoever delivers it.
      if (record.identity.instanceId === instanceId || record.state === 'reporting') {
        this.#keep(record)
        this.#inherited.add(jobId)
      } else await this.#store.delete(jobId)
    }
    return unreadable
  }

  get(jobId: string): ClaimRecord | undefined {
    return this.#claims.get(jobId)
  }

  all(): ClaimRecord[] {
    return [...this.#claims.values()]
  }

  inState(...states: ClaimState[]): ClaimRecord[] {
    return this.all().filter((claim) => states.includes(claim.state))
  }

  /** Claims whose lease the heartbeat renews. */
  leased(): ClaimRecord[] {
    return this.all().filter((claim) => LEASED.has(claim.state))
  }

  /** Whether an earlier daemon began the claim and it is not known yet what that one left of it. */
  isInherited(claim: ClaimRecord): boolean {
    return this.#inherited.has(claim.identity.jobId)
  }

  /** The database has the claim as ours: what becomes of it from now on is not an earlier daemon's deed. */
  confirm(claim: ClaimRecord): void {
    this.#inherited.delete(claim.identity.jobId)
  }

  /** The claim a session is working on, if any: at most one (contract 4). */
  heldBy(sessionKey: string): ClaimRecord | undefined {
    return this.all().find((claim) => claim.state === 'held' && claim.owner?.key === sessionKey)
  }

  add(record: ClaimRecord): Promise<void> {
    this.#inherited.delete(record.identity.jobId)
    this.#keep(record)
    return this.#put(record)
  }

  /** Changes a claim if it is still the one meant; undefined when it has gone or been replaced. */
  async change(
    claim: ClaimRecord,
    patch: Partial<Omit<ClaimRecord, 'identity'>>,
  ): Promise<ClaimRecord | undefined> {
    const { jobId, claimedAt } = claim.identity
    const current = this.#claims.get(jobId)
    if (current === undefined || current.identity.claimedAt !== claimedAt) return undefined
    const moved = patch.state !== undefined && patch.state !== current.state
    const changed = { ...current, ...patch, since: moved ? new Date().toISOString() : current.since }
    if (moved) this.#keep(changed)
    else this.#claims.set(jobId, changed)
    await this.#put(changed)
    return changed
  }

  /** The same where a disk that takes no note is no reason to stop; `fault` says why it took none. */
  async changeAnyway(
    claim: ClaimRecord,
    patch: Partial<Omit<ClaimRecord, 'identity'>>,
  ): Promise<{ claim: ClaimRecord | undefined; fault: unknown }> {
    try {
      return { claim: await this.change(claim, patch), fault: undefined }
    } catch (fault) {
      const now = this.#claims.get(claim.identity.jobId)
      return { claim: now?.identity.claimedAt === claim.identity.claimedAt ? now : undefined, fault }
    }
  }

  /** Resolves when also a power cut leaves what is noted, as far as the file system can say. */
  settle(): Promise<void> {
    return this.#store.settle().catch(() => undefined)
  }

  forget(claim: ClaimRecord): Promise<void> {
    const { jobId, claimedAt } = claim.identity
    if (this.#claims.get(jobId)?.identity.claimedAt !== claimedAt) return Promise.resolve()
    this.#claims.delete(jobId)
    this.#since.delete(jobId)
    this.#inherited.delete(jobId)
    return this.#delete(jobId)
  }

  /** Why a change is not on the disk; null when all are. */
  get fault(): string | null {
    return [...this.#unwritten.values()].at(-1) ?? null
  }

  /** Tries again to write what could not be written: what the disk has is what the next daemon believes. Never throws. */
  async writeAgain(): Promise<void> {
    if (this.#isRetrying) return
    this.#isRetrying = true
    for (const jobId of [...this.#unwritten.keys()]) {
      const record = this.#claims.get(jobId)
      await (record === undefined ? this.#delete(jobId) : this.#put(record)).catch(() => undefined)
    }
    this.#isRetrying = false
  }

  #put(record: ClaimRecord): Promise<void> {
    const { jobId } = record.identity
    return this.#noted(jobId, this.#store.put(jobId, record))
  }

  #delete(jobId: string): Promise<void> {
    return this.#noted(jobId, this.#store.delete(jobId))
  }

  async #noted(jobId: string, writing: Promise<void>): Promise<void> {
    try {
      await writing
      this.#unwritten.delete(jobId)
    } catch (error) {
      this.#unwritten.set(jobId, messageOf(error))
      throw error
    }
  }

  /** How long the claim has been in its state, ms, as far as this process saw it; no stepped clock changes it. */
  ageMs(claim: ClaimRecord): number {
    return performance.now() - (this.#since.get(claim.identity.jobId) ?? performance.now())
  }

  #keep(record: ClaimRecord): void {
    this.#claims.set(record.identity.jobId, record)
    this.#since.set(record.identity.jobId, performance.now())
  }

  /** Whether a step on this job runs now; what the heartbeat reads of it then is not yet to be trusted. */
  isBusy(jobId: string): boolean {
    return this.#locks.has(jobId)
  }

  /** Runs steps on one job one after the other. */
  exclusive<T>(jobId: string, step: () => Promise<T>): Promise<T> {
    const before = this.#locks.get(jobId) ?? Promise.resolve()
    const after = before.then(step, step)
    this.#locks.set(jobId, after)
    const done = () => {
      if (this.#locks.get(jobId) === after) this.#locks.delete(jobId)
    }
    after.then(done, done)
    return after
  }
}
