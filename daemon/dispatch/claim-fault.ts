import { readDatabaseError } from '../db/database-error.ts'
import type { Meaning } from '../db/sqlstate.ts'
import { DaemonError, messageOf } from '../errors.ts'

/** Two tries, a heartbeat apart: what is over by the next one (a conflict, a moment's lock) is nobody's concern, ms. */
const LASTING_MS = 3_000
/** Claiming is tried only while a session waits; after this long without a try nothing is known any more, ms. */
const KNOWN_MS = 60_000

const LOCKED =
  'Somebody keeps a row or a table locked: look at pg_stat_activity for a transaction that does not end, or wait for that change.'
const REMEDIES: Partial<Record<Meaning, string>> = {
  busy: LOCKED,
  unreachable: LOCKED,
  refused: 'Let the owner of the database grant the role of DATABASE_URL what it lacks.',
  schema: '`scrum4me-daemon doctor` names what is missing, with the SQL for the database’s owner.',
}
const RULE = 'Look at the triggers, policies and constraints of that database, and at its role’s settings.'

/**
 * Why no job can be claimed while heartbeats go through: the claim reads and writes more than they do.
 * A series of failures counts when it lasts; one try that goes through ends it.
 */
export class ClaimFault {
  readonly #now: () => number
  #series: {
    readonly about: string
    readonly since: number
    readonly last: number
    readonly error: DaemonError
  } | null = null

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Null: nothing that lasts, or nothing that is known any more. */
  get lasting(): DaemonError | null {
    const series = this.#series
    if (series === null || series.last - series.since < LASTING_MS) return null
    return this.#now() - series.last > KNOWN_MS ? null : series.error
  }

  /** A claim statement was not taken. Answers whether it has lasted from now on. */
  failed(thrown: unknown): boolean {
    const meaning = readDatabaseError(thrown)?.meaning
    return this.#note('', messageOf(thrown), (meaning && REMEDIES[meaning]) ?? RULE, thrown)
  }

  /** A claim statement took nothing, though this job was there for it. Answers as `failed` does. */
  passedOver(jobId: string): boolean {
    return this.#note(
      jobId,
      `job ${jobId} is queued, and the database does not hand it over`,
      `${LOCKED} Or at triggers and row level security of claude_jobs.`,
    )
  }

  /** Claiming works. Answers whether it did not for a while. */
  over(): boolean {
    const had = this.lasting !== null
    this.#series = null
    return had
  }

  #note(about: string, why: string, remedy: string, cause?: unknown): boolean {
    const had = this.lasting !== null
    const last = this.#now()
    const before = this.#series?.about === about ? this.#series : null
    const isOld = before === null || last - before.last > KNOWN_MS
    const error = new DaemonError(
      'DATABASE_UNAVAILABLE',
      `No job can be claimed at the moment: ${why}; it stays in the queue`,
      `${remedy} It is tried again every few seconds while a session waits.`,
      cause,
    )
    this.#series = { about, since: isOld ? last : before.since, last, error }
    return !had && this.lasting !== null
  }
}
