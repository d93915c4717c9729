import { z } from 'zod'

/**
 * The life of a claim, as this daemon remembers it on disk (`state/claims/<job id>.json`).
 *
 *   (QUEUED) ── claimed ──▶ preparing ── attached, answered ──▶ held ── final report ──▶ reporting ──▶ reported
 *                              │  ▲                             │ │ ▲                        │
 *              no waiter left  │  │ offered to the next waiter  │ │ │ adopted, or it came    │ claim taken
 *                              ▼  │                             │ │ │ back                   │ by another
 *                          undelivered ◀── answer not received ─┘ │ │                        ▼
 *                              │                      grace over │ └──────────┐            lost
 *                              │ 10 s                            ▼            │              ▲
 *                              └──▶ (QUEUED, record gone)     released ─ claimed here again   │
 *                                                                │  late report ▶ reporting   │
 *                     beat or write finds another owner, an end or no row ───────────────────┘
 *
 * state        the job in the database           who moves it on (files of daemon/dispatch)
 * preparing    CLAIMED/RUNNING by us, renewed    preparer: worktree made, claim attached → held; nobody waits any more,
 *                                                or it cannot go on now → undelivered; it fails here and nobody had it
 *                                                yet → (QUEUED); its task is gone → (FAILED). dispatch, at start →
 *                                                undelivered
 * undelivered  CLAIMED/RUNNING by us, renewed    claim-loop: next waiter → preparing; report: its session has it after
 *                                                all, or another adopts it → held; sweeper: after 10 s → (QUEUED), or
 *                                                released where somebody may have worked on it; dispatch: given back
 *                                                by a person → released
 * held         CLAIMED/RUNNING by us, renewed    report: final report → reporting; dispatch: answer not received →
 *                                                undelivered, given back by a person → released; preparer: the answer
 *                                                could not leave → undelivered; claim-loop: given to another session →
 *                                                preparing; sweeper: grace over → released
 * reporting    CLAIMED/RUNNING by us, renewed,   report-delivery: written → reported; 0 rows → lost. report: refused for
 *              or QUEUED as we released it       good, or kept nowhere → held or released, as before. The report is on
 *                                                disk first; this state is the spool
 * reported     DONE, FAILED or SKIPPED           sweeper: after a day → forgotten
 * released     QUEUED or taken by anyone         report: late report → reporting; claim-loop: claimed here again → a new
 *                                                record; reconciler: its worktree was removed, or after a day
 *                                                without one → forgotten
 * lost         another's, ended, or no row       sweeper: session told or gone, work saved → forgotten
 *
 * Out of preparing, undelivered and held, beats moves what a heartbeat finds to be another's (→ lost), or released by
 * us without our knowing (→ released), or ended by a report of which an earlier daemon could take no note
 * (→ reporting); so does whoever wrote and hit 0 rows (→ lost).
 *
 * Only an owner moves a held claim by a report; the database decides every transition that writes a
 * job (`claim-identity.ts`). Of an owner that is gone ("orphaned") the record says nothing: it is held
 * by a session that the registry knows as gone.
 */
export const CLAIM_STATES = [
  'preparing',
  'undelivered',
  'held',
  'reporting',
  'reported',
  'released',
  'lost',
] as const

export type ClaimState = (typeof CLAIM_STATES)[number]

/** To whom a claim is lost: another worker, a person who ended or cancelled the job, or nobody, the job being deleted. */
export const LOST = z.enum(['taken', 'ended', 'cancelled', 'gone'])
export type Lost = z.output<typeof LOST>

/** States in which the database knows the claim as ours and the heartbeat renews its lease. */
export const LEASED: ReadonlySet<ClaimState> = new Set(['preparing', 'undelivered', 'held', 'reporting'])

const SESSION_REF = z.object({
  key: z.string(),
  sessionId: z.string(),
  clientProcess: z.object({ pid: z.number(), startedAt: z.string() }).nullable(),
})

const REPORT = z.object({
  status: z.enum(['RUNNING', 'DONE', 'FAILED', 'SKIPPED']),
  branch: z.string().nullable(),
  summary: z.string().nullable(),
  error: z.string().nullable(),
  headSha: z.string().nullable(),
  pushed: z.boolean(),
})

const CLAIM_RECORD = z.object({
  identity: z.object({
    jobId: z.string(),
    tokenId: z.string(),
    instanceId: z.string(),
    claimedAt: z.string(),
  }),
  state: z.enum(CLAIM_STATES),
  /** UTC, when the state began. */
  since: z.string(),
  userId: z.string(),
  productId: z.string(),
  taskLabel: z.string(),
  repoRoot: z.string(),
  /** Whose claim it is; while undelivered, to whom it was last offered. */
  owner: SESSION_REF.nullable(),
  /** Sessions that had, or may have, received the job before it was offered to the owner, the latest first. */
  earlier: z.array(SESSION_REF).default([]),
  /** The owner received the job; a later loss of an answer with it changes nothing. */
  delivered: z.boolean(),
  /** A session was, or may have been, given the job before: its work may be in the worktree, so the answer says `resumed`. */
  worked: z.boolean().default(false),
  running: z.boolean(),
  worktree: z.object({ path: z.string(), branch: z.string(), baseSha: z.string() }).nullable(),
  /** The job's part of a `wait_for_job` answer, kept for a session that asks again. */
  answer: z.record(z.string(), z.unknown()),
  /** `updated_at` that the release wrote, or was to write, by which a late report is fenced. */
  releasedAt: z.string().nullable(),
  report: REPORT.nullable(),
  /** What `update_job_status` answered, for the same report asked again. */
  result: z.record(z.string(), z.unknown()).nullable(),
  lost: LOST.nullable(),
})

export type ClaimRecord = z.output<typeof CLAIM_RECORD>

export function parseClaimRecord(value: unknown): ClaimRecord | undefined {
  return CLAIM_RECORD.safeParse(value).data
}
