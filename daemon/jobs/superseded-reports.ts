import { z } from 'zod'
import type { RecordStore } from '../state/record-store.ts'
import { LOST } from './claim-record.ts'

const SUPERSEDED = z.object({
  jobId: z.string(),
  taskLabel: z.string(),
  /** UTC, when it was found out. */
  at: z.string(),
  /** What became of the claim that it was a report on. */
  lost: LOST,
  status: z.enum(['DONE', 'FAILED', 'SKIPPED', 'RUNNING']),
  summary: z.string().nullable(),
  branch: z.string().nullable(),
  headSha: z.string().nullable(),
  /** Origin has that branch. */
  pushed: z.boolean(),
  repoRoot: z.string(),
})

export type SupersededReport = z.output<typeof SUPERSEDED>

export function parseSupersededReport(value: unknown): SupersededReport | undefined {
  return SUPERSEDED.safeParse(value).data
}

const SHOWN_MS = 24 * 3600_000
const MOST = 20
/** Of a summary; it is for one line of `status`. */
const SUMMARY_CHARS = 200

/**
 * Final reports that waited on disk for the database and then came too late. Their sessions may be long gone,
 * so a person is told: each for a day, the last twenty, also by the next daemon.
 */
export class SupersededReports {
  readonly #store: RecordStore<SupersededReport>
  readonly #now: () => number
  #reports: readonly SupersededReport[] = []

  constructor(store: RecordStore<SupersededReport>, now: () => number = Date.now) {
    this.#store = store
    this.#now = now
  }

  /** Answers names of unreadable records. */
  async load(): Promise<string[]> {
    const { records, unreadable } = await this.#store.load()
    this.#reports = [...records.values()].sort((a, b) => a.at.localeCompare(b.at))
    await this.#trim()
    return unreadable
  }

  /** Resolves when it is on disk. A second one about the same job replaces the first. */
  async add(report: Omit<SupersededReport, 'at'>): Promise<void> {
    const summary = report.summary?.slice(0, SUMMARY_CHARS) ?? null
    const noted = { ...report, summary, at: new Date(this.#now()).toISOString() }
    this.#reports = [...this.#reports.filter((one) => one.jobId !== report.jobId), noted]
    await this.#store.put(report.jobId, noted)
    await this.#trim()
  }

  /** Those of the last day, oldest first. */
  get recent(): readonly SupersededReport[] {
    const since = this.#now() - SHOWN_MS
    return this.#reports.filter((one) => Date.parse(one.at) > since)
  }

  async #trim(): Promise<void> {
    const kept = this.recent.slice(-MOST)
    const dropped = this.#reports.filter((one) => !kept.includes(one))
    this.#reports = kept
    for (const { jobId } of dropped) await this.#store.delete(jobId)
  }
}
