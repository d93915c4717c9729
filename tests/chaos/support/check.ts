import type { AuditRow } from './audit.ts'
import type { History, Kind, Recorded } from './history.ts'
import type { FinalJob } from './laboratory.ts'

export interface Evidence {
  readonly history: History
  readonly audit: readonly AuditRow[]
  readonly jobs: readonly FinalJob[]
  /** machine name → `worker_instance_id` */
  readonly instances: ReadonlyMap<string, string>
}

export interface Violation {
  readonly rule: string
  readonly job: string
  readonly detail: string
}

const TERMINAL = new Set(['DONE', 'FAILED', 'CANCELLED', 'SKIPPED'])
const ACTIVE = new Set(['CLAIMED', 'RUNNING'])

/** One claim of a job, from the database's side. */
interface Period {
  readonly claim: string
  readonly instance: string | null
  readonly from: number
  readonly until: number
  readonly end: 'released' | 'rescued' | 'ended' | 'open'
}

/**
 * Looks through a whole run, as the checkers of Jepsen do: what the sessions saw and what the database
 * went through must fit one story in which each job is owned by one, reported once and never lost.
 */
export function check(evidence: Evidence): Violation[] {
  const found: Violation[] = []
  const byJob = new Map<string, JobStory>()
  for (const job of evidence.jobs) byJob.set(job.id, new JobStory(job, evidence))
  for (const story of byJob.values()) found.push(...story.violations())
  for (const one of evidence.history.of('foreign work')) {
    found.push({
      rule: 'a fresh worktree is fresh',
      job: one.job,
      detail: `${one.session} found ${one.detail}`,
    })
  }
  return found
}

/** Everything that happened to one job, for a person to read. */
export function timeline(evidence: Evidence, job: string): string {
  const sessions = new Set(
    evidence.history.all.flatMap((one) =>
      'job' in one && one.job === job && 'session' in one ? [one.session] : [],
    ),
  )
  const machines = new Set(
    evidence.history.all.flatMap((one) =>
      'job' in one && one.job === job && 'machine' in one && one.machine !== undefined ? [one.machine] : [],
    ),
  )
  const audit = evidence.audit.filter((row) => row.job === job)
  const from = (audit[0]?.at ?? 0) - 1000
  const until = (audit.at(-1)?.at ?? 0) + 5000
  const isAbout = (one: Recorded): boolean => {
    if ('job' in one && one.job === job) return true
    if (one.at < from || one.at > until) return false
    if (one.kind === 'shim' || one.kind === 'wait') return sessions.has(one.session)
    if (one.kind === 'daemon') return machines.has(one.machine)
    if (one.kind === 'failed call') return one.text.includes(job)
    return one.kind === 'phase' || one.kind === 'database'
  }
  const lines = [
    ...evidence.history.all.filter(isAbout).map(({ at, n: _n, kind, ...rest }) => ({
      at,
      text: `${kind} ${JSON.stringify(rest)}`,
    })),
    ...audit.map(({ at, job: _job, ...rest }) => ({ at, text: `database ${JSON.stringify(rest)}` })),
  ]
  lines.sort((a, b) => a.at - b.at)
  const zero = lines[0]?.at ?? 0
  return lines.map((line) => `  ${((line.at - zero) / 1000).toFixed(3).padStart(8)}  ${line.text}`).join('\n')
}

class JobStory {
  readonly #job: FinalJob
  readonly #evidence: Evidence
  readonly #audit: readonly AuditRow[]
  readonly #periods: readonly Period[]
  readonly #deliveries: readonly Kind<'delivered'>[]
  readonly #reports: readonly Kind<'report'>[]
  readonly #answers: readonly Kind<'report answered'>[]
  readonly #found: Violation[] = []

  constructor(job: FinalJob, evidence: Evidence) {
    const { history } = evidence
    const isOurs = (one: { job: string }) => one.job === job.id
    this.#job = job
    this.#evidence = evidence
    this.#audit = evidence.audit.filter(isOurs)
    this.#periods = periods(this.#audit)
    this.#deliveries = history.of('delivered').filter(isOurs)
    this.#reports = history.of('report').filter(isOurs)
    this.#answers = history.of('report answered').filter(isOurs)
  }

  violations(): Violation[] {
    this.#steps()
    this.#owners()
    this.#counted()
    this.#answered()
    this.#kept()
    return this.#found
  }

  #violated(rule: string, detail: string): void {
    this.#found.push({ rule, job: this.#job.id, detail })
  }

  /** The database's own story: legal steps only, one end, no lease taken before its time. */
  #steps(): void {
    if (!TERMINAL.has(this.#job.status)) this.#violated('no job is lost', `it is ${this.#job.status}`)
    if (this.#audit.at(-1)?.to !== this.#job.status)
      this.#violated('audit', 'it does not end where the row is')
    let ended = false
    for (const row of this.#audit) {
      if (ended) this.#violated('a job ends once', `${row.from} → ${row.to} after its end`)
      ended ||= TERMINAL.has(row.to)
      if (row.to === 'CLAIMED' && row.from !== 'QUEUED')
        this.#violated('only a queued job is claimed', `it was ${row.from}`)
      if (row.to === 'RUNNING' && (row.oldClaim !== row.newClaim || !ACTIVE.has(row.from ?? '')))
        this.#violated('a report runs under its claim', `${row.from} → RUNNING`)
      if (row.rescued && (row.leaseLeftMs ?? 0) > 1)
        this.#violated('no lease is stolen', `rescued ${row.leaseLeftMs} ms before its lease was over`)
    }
  }

  /** At no time two sessions that live and both were given the job. */
  #owners(): void {
    for (const [index, later] of this.#deliveries.entries()) {
      const period = this.#periods.find((one) => one.claim === later.claim)
      if (period === undefined) {
        this.#violated('a delivered claim exists', `${later.session} was given ${later.claim}`)
        continue
      }
      const home = this.#evidence.instances.get(later.machine)
      if (period.instance !== home)
        this.#violated(
          'a claim is given out by its machine',
          `${later.claim} was given out by ${later.machine}`,
        )
      if (period.end === 'released' && later.asked > period.until)
        this.#violated(
          'a released claim is not given out',
          `${later.session} asked ${Math.round(later.asked - period.until)} ms after ${later.claim} was released`,
        )
      for (const earlier of this.#deliveries.slice(0, index)) {
        if (earlier.claim !== later.claim || earlier.session === later.session) continue
        if (this.#diedBetween(earlier.session, earlier.asked, later.at)) continue
        this.#violated(
          'one live owner',
          `${later.session} was given ${later.claim} while ${earlier.session} lived and had it`,
        )
      }
    }
  }

  /** The report that counts is the owner's. */
  #counted(): void {
    const end = this.#audit.find((row) => TERMINAL.has(row.to))
    if (end === undefined || end.to === 'CANCELLED') return
    const report = this.#reports.find((one) => one.nonce === end.summary)
    if (report === undefined) {
      const gaveUp = end.to === 'FAILED' && end.rescued
      if (!gaveUp) this.#violated('an end has a reason', `nobody reported ${end.to}`)
      return
    }
    if (end.to.toLowerCase() !== report.status)
      this.#violated('a report counts as it was', `${report.status} became ${end.to}`)
    if (end.from === 'QUEUED') {
      const last = this.#periods.at(-1)
      // Released after the grace, and nobody has claimed it since: a late report counts.
      if (last?.claim !== report.claim || last.end !== 'released')
        this.#violated('no superseded report counts', `${report.nonce} of ${report.claim} ended a queued job`)
    } else if (end.oldClaim !== report.claim) {
      this.#violated(
        'no superseded report counts',
        `${report.nonce} of ${report.claim} ended ${end.oldClaim}`,
      )
    }
    const newer = this.#deliveries.find(
      (one) =>
        one.claim === report.claim &&
        one.session !== report.session &&
        one.at < report.at &&
        !this.#deliveries.some(
          (own) => own.session === report.session && own.claim === one.claim && own.at > one.at,
        ),
    )
    if (newer !== undefined)
      this.#violated(
        'no superseded report counts',
        `${report.nonce} of ${report.session}, though ${newer.session} had been given the job`,
      )
  }

  /** What each session was told about its report is true. */
  #answered(): void {
    const end = this.#audit.find((row) => TERMINAL.has(row.to))
    for (const answer of this.#answers) {
      const counts = end?.summary === answer.nonce
      const period = this.#periods.find((one) => one.claim === answer.claim)
      if (answer.answer === 'counted' && !counts)
        this.#violated('a confirmed report counts', `${answer.nonce} (${answer.status}) does not`)
      if (answer.answer === 'OWNERSHIP_LOST' || answer.answer === 'JOB_CANCELLED') {
        if (counts) this.#violated('a refused report does not count', `${answer.nonce} does`)
        const since = this.#deliveries.filter((one) => one.claim === answer.claim && one.at < answer.at)
        const owner = since.at(-1)?.session
        if (owner === answer.session && period !== undefined && period.until > answer.at + 5)
          this.#violated('an owner is heard', `${answer.nonce} was refused while ${answer.claim} was its own`)
      }
      if (answer.answer === 'spooled' && !counts && period?.end === 'released' && period.until > answer.at)
        this.#violated('an accepted report is kept', `${answer.claim} was released after ${answer.nonce}`)
    }
  }

  /** A job stays with a session that nothing happened to. */
  #kept(): void {
    for (const period of this.#periods) {
      if (period.end !== 'released') continue
      const given = this.#deliveries
        .filter((one) => one.claim === period.claim && one.at < period.until)
        .at(-1)
      if (given === undefined) continue
      if (this.#hurtBetween(given.session, given.machine, given.asked, period.until)) continue
      this.#violated('a job stays with its session', `${period.claim} of ${given.session} was released`)
    }
  }

  #diedBetween(session: string, from: number, until: number): boolean {
    return this.#evidence.history.all.some(
      (one) =>
        one.at >= from &&
        one.at <= until &&
        ((one.kind === 'shim' && one.session === session && one.did === 'down') ||
          (one.kind === 'cancel' && one.session === session)),
    )
  }

  #hurtBetween(session: string, machine: string, from: number, until: number): boolean {
    return this.#evidence.history.all.some((one) => {
      if (one.at < from || one.at > until) return false
      if (one.kind === 'shim' || one.kind === 'cancel') return one.session === session
      return one.kind === 'daemon' && one.machine === machine
    })
  }
}

function periods(audit: readonly AuditRow[]): Period[] {
  const found: Period[] = []
  let open: { claim: string; instance: string | null; from: number } | undefined
  for (const row of audit) {
    if (open !== undefined && (TERMINAL.has(row.to) || row.to === 'QUEUED')) {
      const end = TERMINAL.has(row.to) ? 'ended' : row.rescued ? 'rescued' : 'released'
      found.push({ ...open, until: row.at, end })
      open = undefined
    }
    if (row.to === 'CLAIMED' && row.newClaim !== null)
      open = { claim: row.newClaim, instance: row.newInstance, from: row.at }
  }
  if (open !== undefined) found.push({ ...open, until: Number.POSITIVE_INFINITY, end: 'open' })
  return found
}
