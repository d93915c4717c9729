import type { RepoRoot } from '../config/repo-roots.ts'
import { isRefusedForGood } from '../db/database-error.ts'
import { messageOf } from '../errors.ts'
import { claimNext } from '../jobs/claim.ts'
import type { ClaimRecord } from '../jobs/claim-record.ts'
import { ClaimFault } from './claim-fault.ts'
import { Complaints } from './complaints.ts'
import { isDiskLow } from './disk-low.ts'
import type { JobBackoff } from './job-backoff.ts'
import { isOwner, mayAdopt } from './ownership.ts'
import type { DispatchPorts } from './ports.ts'
import type { Preparer } from './preparer.ts'
import { restRefusedJob } from './refused-job.ts'
import type { Waiter, WaitQueue } from './waiter.ts'

/**
 * The one claim loop of this machine, whatever the number of waiting sessions. A nudge (notification,
 * new waiter, heartbeat that saw a queued job, reconnect) starts a pass; nudges during a pass make one
 * more. A pass serves waiters in order: first claims that are here and have no live owner, then the
 * database, asked once per distinct set of products.
 */
export class ClaimLoop {
  readonly fault = new ClaimFault()
  readonly #ports: DispatchPorts
  readonly #queue: WaitQueue
  readonly #preparer: Preparer
  readonly #backoff: JobBackoff
  readonly #complaints: Complaints
  #nudged = false
  #running: Promise<void> | null = null
  #paused = false
  #stopped = false
  /** Claim statements begun; with `inFlight` it tells the heartbeat which unknown claims are fresh. */
  #begun = 0
  #inFlight = false
  #stepSince: number | null = null

  constructor(ports: DispatchPorts, queue: WaitQueue, preparer: Preparer, jobBackoff: JobBackoff) {
    this.#ports = ports
    this.#queue = queue
    this.#preparer = preparer
    this.#backoff = jobBackoff
    this.#complaints = new Complaints(ports)
  }

  get claimsBegun(): number {
    return this.#begun
  }

  get claimInFlight(): boolean {
    return this.#inFlight
  }

  /** Resolves when no pass runs any more. */
  get pass(): Promise<void> {
    return this.#running ?? Promise.resolve()
  }

  /** How long the pass that runs now has been at the same waiter, ms; 0 when none does. A pass may serve hundreds. */
  get stepMs(): number {
    return this.#stepSince === null ? 0 : performance.now() - this.#stepSince
  }

  get paused(): boolean {
    return this.#paused
  }

  pause(paused: boolean): void {
    this.#paused = paused
    if (!paused) this.nudge()
  }

  nudge(): void {
    this.#nudged = true
    if (this.#stopped) return
    this.#running ??= this.#run()
  }

  /** Resolves when no pass runs any more; none begins after. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  async #run(): Promise<void> {
    while (this.#nudged && !this.#stopped) {
      this.#nudged = false
      this.#stepSince = performance.now()
      try {
        await this.#pass()
      } catch (error) {
        // The database is away or said no; the next heartbeat that succeeds nudges again.
        if (this.fault.failed(error)) this.#warn()
        else this.#ports.logger.debug({ err: messageOf(error) }, 'claim pass failed')
      } finally {
        this.#stepSince = null
      }
    }
    // In the same turn as the last look at `#nudged`: a nudge in between would start nothing.
    this.#running = null
  }

  async #pass(): Promise<void> {
    const caller = this.#ports.authority.current()
    if (caller === null || caller.isDemo) return
    const emptyFor = new Set<string>()
    const gotNone = new Set<Waiter>()
    const rootsOf = await this.#ports.roots.snapshot()
    const resting = new Set(this.#backoff.resting())
    const here = this.#ports.book
      .inState('undelivered', 'held')
      .filter((claim) => !resting.has(claim.identity.jobId))
    for (const waiter of this.#queue.all()) {
      if (this.#stopped) return
      this.#stepSince = performance.now()
      if (waiter.settled || waiter.assigned || this.#isPreparingFor(waiter)) continue
      const roots = rootsOf(waiter.session.hello?.repoRoots)
      if (await this.#giveClaimFromHere(waiter, here)) continue
      if (this.#paused) continue
      const products = [...roots.keys()]
        .filter((product) => waiter.productId === null || waiter.productId === product)
        .sort()
      const key = products.join('\n')
      if (!emptyFor.has(key)) {
        if (await this.#claimFor(waiter, products, roots, caller.userId, caller.tokenId)) {
          this.#over()
          continue
        }
        emptyFor.add(key)
      }
      gotNone.add(waiter)
    }
    if (!this.#paused) {
      const unclaimable = [...this.#backoff.resting(), ...this.#stillHere()]
      const left = await this.#complaints.make(this.#queue.all(), caller.userId, unclaimable, rootsOf)
      if (gotNone.size > 0) this.#judge(left !== null && gotNone.has(left.waiter) ? left.jobId : null)
    }
  }

  /** The statements went through; `left` is a job that they took nothing of. */
  #judge(left: string | null): void {
    if (left === null) this.#over()
    else if (this.fault.passedOver(left)) this.#warn()
  }

  #warn(): void {
    this.#ports.logger.warn({ err: this.fault.lasting?.message }, 'claiming fails')
  }

  #over(): void {
    if (this.fault.over()) this.#ports.logger.info({}, 'jobs can be claimed again')
  }

  /** A session whose earlier call was cut off while its claim is being prepared gets that claim, no other. */
  #isPreparingFor(waiter: Waiter): boolean {
    return this.#ports.book.inState('preparing').some((claim) => isOwner(claim, waiter.session))
  }

  async #giveClaimFromHere(waiter: Waiter, here: readonly ClaimRecord[]): Promise<boolean> {
    for (const claim of here) {
      if (
        waiter.productId !== null &&
        waiter.productId !== claim.productId &&
        !isOwner(claim, waiter.session)
      )
        continue
      if (claim.state === 'held' && !(await this.#isOrphanFor(claim, waiter))) continue
      // A report of the vanished session is being written right now, or somebody moved it meanwhile.
      if (this.#ports.book.isBusy(claim.identity.jobId)) continue
      if (this.#ports.book.get(claim.identity.jobId) !== claim) continue
      if (waiter.settled) return true
      this.#preparer.hand(claim, waiter)
      return true
    }
    return false
  }

  async #isOrphanFor(claim: ClaimRecord, waiter: Waiter): Promise<boolean> {
    if (isOwner(claim, waiter.session)) return false
    return mayAdopt(claim, waiter.session, this.#ports.sessions)
  }

  async #claimFor(
    waiter: Waiter,
    products: string[],
    roots: Map<string, RepoRoot>,
    userId: string,
    tokenId: string,
  ): Promise<boolean> {
    if (products.length === 0) return false
    if (await isDiskLow(this.#ports)) return false
    const { settings, instanceId } = this.#ports
    this.#begun += 1
    this.#inFlight = true
    try {
      const request = {
        userId,
        tokenId,
        instanceId,
        products,
        leaseSeconds: settings.leaseSeconds,
        exclude: [...this.#backoff.resting(), ...this.#stillHere()],
        markers: this.#ports.markers(),
      }
      const claimed = await claimNext(this.#ports.sql, request).catch(async (error: unknown) => {
        if (!isRefusedForGood(error) || !(await restRefusedJob(this.#ports, this.#backoff, request, error)))
          throw error
        this.nudge()
        return null
      })
      if (claimed === null) return false
      const root = roots.get(claimed.productId)
      if (root === undefined) throw new Error('claimed a job of a product that was not asked for')
      this.#preparer.begin(claimed, userId, root.path, waiter)
      return true
    } finally {
      this.#inFlight = false
    }
  }

  /**
   * Jobs that are free in the database and not yet over here: a report that waits on disk would become
   * worthless, and the session of a lost claim has not been told and may still stand in its worktree.
   */
  #stillHere(): string[] {
    return this.#ports.book
      .all()
      .filter((claim) => claim.state !== 'released' && claim.state !== 'reported')
      .map((claim) => claim.identity.jobId)
  }
}
