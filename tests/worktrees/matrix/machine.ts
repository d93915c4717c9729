import { spawn } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Caller } from '../../../daemon/backend/caller.ts'
import { RepoRoots } from '../../../daemon/config/repo-roots.ts'
import { Dispatch } from '../../../daemon/dispatch/dispatch.ts'
import type { DispatchPorts } from '../../../daemon/dispatch/ports.ts'
import { Reconciler } from '../../../daemon/dispatch/reconciler.ts'
import type { ReportInput } from '../../../daemon/dispatch/report-answer.ts'
import { attach } from '../../../daemon/jobs/attach.ts'
import { claimNext } from '../../../daemon/jobs/claim.ts'
import { ClaimBook } from '../../../daemon/jobs/claim-book.ts'
import { type ClaimRecord, parseClaimRecord } from '../../../daemon/jobs/claim-record.ts'
import { parseSupersededReport, SupersededReports } from '../../../daemon/jobs/superseded-reports.ts'
import { silentLogger } from '../../../daemon/logger.ts'
import { SessionRegistry } from '../../../daemon/sessions/registry.ts'
import type { Session } from '../../../daemon/sessions/session.ts'
import { RecordStore } from '../../../daemon/state/record-store.ts'
import { cleanupMyWorktrees } from '../../../daemon/tools/cleanup-my-worktrees.ts'
import { Git } from '../../../daemon/worktrees/git/git.ts'
import type { Worktrees } from '../../../daemon/worktrees/worktrees.ts'
import { type TestDatabase, testDatabase } from '../../support/postgres.ts'
import { seed } from '../../support/seed.ts'
import { Workspace } from '../support/workspace.ts'

const INSTANCE = 'test-instance'

/** A job in its worktree here, held by a session. */
export interface HeldJob {
  readonly claim: ClaimRecord
  readonly path: string
  readonly branch: string
}

/** A machine as far as the endings of jobs go: a clone, worktrees, claims and their database, all real. */
export class Machine {
  static readonly LEASE_SECONDS = 3600
  readonly space: Workspace
  readonly db: TestDatabase
  readonly #caller: Caller
  readonly #productId: string
  readonly #graceSeconds: number
  #engine: Worktrees
  #book: ClaimBook
  #dispatch: Dispatch
  #reconciler: Reconciler
  #sessions = new SessionRegistry()
  #ports: DispatchPorts

  private constructor(
    space: Workspace,
    db: TestDatabase,
    caller: Caller,
    productId: string,
    graceSeconds: number,
  ) {
    this.#graceSeconds = graceSeconds
    this.space = space
    this.db = db
    this.#caller = caller
    this.#productId = productId
    this.#engine = space.engine()
    this.#book = this.#emptyBook()
    this.#ports = this.#wire()
    ;[this.#dispatch, this.#reconciler] = this.#services()
  }

  /** @param graceSeconds 0: a session that is gone loses its job at the next sweep */
  static async open(graceSeconds = 0): Promise<Machine> {
    const space = await Workspace.open()
    await space.makeClone()
    const db = await testDatabase()
    const userId = (await seed.user(db)).id
    const tokenId = (await seed.token(db, { user_id: userId })).id
    const productId = (await seed.product(db, { user_id: userId })).id
    const machine = new Machine(space, db, { userId, tokenId, isDemo: false }, productId, graceSeconds)
    await machine.#book.load(INSTANCE)
    await machine.ports.superseded.load()
    return machine
  }

  get engine(): Worktrees {
    return this.#engine
  }
  get dispatch(): Dispatch {
    return this.#dispatch
  }
  get reconciler(): Reconciler {
    return this.#reconciler
  }
  get book(): ClaimBook {
    return this.#book
  }
  get ports(): DispatchPorts {
    return this.#ports
  }
  get userId(): string {
    return this.#caller.userId
  }

  async hold(): Promise<HeldJob> {
    const { userId, tokenId } = this.#caller
    await seed.job(this.db, { product_id: this.#productId, user_id: userId })
    const claimed = await claimNext(this.db.pool, {
      ...{ userId, tokenId, instanceId: INSTANCE, leaseSeconds: Machine.LEASE_SECONDS },
      ...{ products: [this.#productId], exclude: [], markers: [] },
    })
    if (claimed === null) throw new Error('nothing to claim')
    const { jobId } = claimed.identity
    const made = await this.#engine.create({ jobId, repoRoot: this.space.clone })
    await attach(this.db.pool, claimed.identity, made)
    const owner = { key: jobId, sessionId: jobId, clientProcess: null }
    const claim: ClaimRecord = {
      identity: claimed.identity,
      state: 'held',
      since: new Date().toISOString(),
      userId,
      productId: this.#productId,
      taskLabel: 'T-1',
      repoRoot: this.space.clone,
      owner,
      earlier: [],
      delivered: true,
      worked: true,
      running: true,
      worktree: { path: made.path, branch: made.branch, baseSha: made.baseSha },
      answer: {},
      releasedAt: null,
      report: null,
      result: null,
      lost: null,
    }
    this.#sessions.restore(owner)
    await this.#book.add(claim)
    return { claim, path: made.path, branch: made.branch }
  }

  /** A session of that id is there; its client is not known. */
  connect(id: string): Promise<Session> {
    return this.#sessions.connect(id, {
      ...{ role: 'session', protocol: { min: 1, max: 1 }, version: '1', connectionId: id, sessionId: id },
      ...{ pid: 1, clientProcess: null, clientName: null, clientVersion: null, cwd: '/', repoRoots: {} },
      sshAuthSock: null,
    })
  }

  /** There never was a job; worktrees stay. */
  async forgetJobs(): Promise<void> {
    for (const claim of this.#book.all()) await this.#book.forget(claim)
    await this.db.query('delete from claude_jobs')
  }

  /** `update_job_status` of the session that holds the job. */
  async report(job: HeldJob, status: ReportInput['status'], branch: string | null): Promise<void> {
    const { jobId } = job.claim.identity
    const session = this.#sessions.get(jobId)
    if (session === undefined) throw new Error('its session is not known')
    await this.#dispatch.reports.report(session, { jobId, status, branch, summary: null, error: null })
  }

  /** Saves the job's work by a removal that a process stands in the way of; then it is claimed again. */
  async saveButKeep(job: HeldJob): Promise<void> {
    const { jobId } = job.claim.identity
    const stands = spawn('sleep', ['600'], { cwd: job.path, stdio: 'ignore' })
    try {
      const { outcome, salvageRef } = await this.#engine.remove({ jobId, branch: 'delete' })
      if (outcome !== 'deferred' || salvageRef === null) throw new Error(`it was ${outcome}, not deferred`)
    } finally {
      stands.kill('SIGKILL')
    }
    const { reused } = await this.#engine.create({ jobId, repoRoot: this.space.clone })
    if (!reused) throw new Error('the worktree was made anew')
  }

  /** What `cleanup_my_worktrees` runs, its answer checked as a client would. */
  async cleanUpTool() {
    return cleanupMyWorktrees.output.parse(await this.#reconciler.run())
  }

  /** What the database says of all jobs from now on. */
  async setJobs(columns: { status: string; worker_instance_id: string | null }): Promise<void> {
    await this.db.query('update claude_jobs set status = $1::"ClaudeJobStatus", worker_instance_id = $2', [
      columns.status,
      columns.worker_instance_id,
    ])
  }

  /** A trigger keeps every job as it is, without a word, while `work` runs. */
  async whileNothingChanges(work: () => Promise<unknown>): Promise<void> {
    await this.db.query(`create function nothing() returns trigger language plpgsql as 'begin return null; end';
      create trigger nothing before update on claude_jobs for each row execute function nothing()`)
    try {
      await work()
    } finally {
      await this.db.query('drop function nothing cascade')
    }
  }

  /**
   * Another daemon on the same home, for which the claims are others' by now; `forgetful`: what the worktree engine
   * wrote down is lost as well.
   */
  async restart(options: { readonly forgetful: boolean }): Promise<void> {
    await this.#engine.stop()
    await rm(join(this.space.state, 'claims'), { recursive: true })
    if (options.forgetful) await rm(join(this.space.state, 'worktrees'), { recursive: true })
    this.#engine = this.space.engine()
    this.#sessions = new SessionRegistry()
    this.#book = this.#emptyBook()
    this.#ports = this.#wire()
    ;[this.#dispatch, this.#reconciler] = this.#services()
    await this.#book.load(INSTANCE)
  }

  async close(): Promise<void> {
    await this.#dispatch.stop()
    await this.space.close()
    await this.db.drop()
  }

  #emptyBook(): ClaimBook {
    return new ClaimBook(new RecordStore(join(this.space.state, 'claims'), parseClaimRecord))
  }

  #wire(): DispatchPorts {
    return {
      sql: this.db.pool,
      rowSql: this.db.pool,
      authority: {
        ready: async () => this.#caller,
        current: () => this.#caller,
        lost: () => undefined,
      },
      book: this.#book,
      superseded: new SupersededReports(
        new RecordStore(join(this.space.state, 'superseded'), parseSupersededReport),
      ),
      sessions: this.#sessions,
      worktrees: this.#engine,
      git: new Git({ env: this.space.env }),
      roots: new RepoRoots({ [this.#productId]: this.space.clone }, join(this.space.dir, 'no-file')),
      instanceId: INSTANCE,
      settings: {
        leaseSeconds: Machine.LEASE_SECONDS,
        graceSeconds: this.#graceSeconds,
        minFreeDiskBytes: 0,
      },
      markers: () => [],
      worktreesChanged: () => undefined,
      logger: silentLogger,
    }
  }

  #services(): [Dispatch, Reconciler] {
    return [new Dispatch(this.#ports, () => undefined), new Reconciler(this.#ports, () => undefined)]
  }
}
