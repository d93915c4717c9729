import { messageOf } from '../errors.ts'
import { adopt, removeEmpty } from './adopt.ts'
import type { Engine } from './engine.ts'
import { type Found, takeInventory } from './inventory.ts'
import type { JobRecord } from './job-record.ts'
import { isJobId } from './layout.ts'
import { isRestored, RESTORED } from './list.ts'
import { lstatOrNull } from './lstat-or-null.ts'
import { finishRemoval, type RemoveOutcome } from './remove.ts'
import { knownClones, savedIn } from './salvage/saved-work.ts'
import { tidy } from './tidy.ts'

export type Verdict =
  | { readonly action: 'keep'; readonly reason: string }
  | {
      readonly action: 'remove'
      readonly branch: 'keep' | 'delete'
      readonly reason: string
      /** How the job ended; null: it has not, it is only not done here. */
      readonly ended: 'DONE' | 'FAILED' | 'CANCELLED' | 'SKIPPED' | null
    }

/**
 * Directories that nothing marks as ours (another tool may have made them, and its agent may work in one): left alone
 * (contract 5), or removed where their job has ended, because somebody asked for it (contract 6, cleanup_my_worktrees).
 */
export type Unmarked = 'leave' | 'remove ended'

/** What became of one directory. */
export interface Entry {
  /** Null: for no job that is known here. */
  readonly job_id: string | null
  readonly path: string
  readonly reason: string
  readonly bytes: number | null
  readonly salvage_ref: string | null
}

/** Every directory found is in exactly one list. */
export interface Reconciliation {
  readonly removed: Entry[]
  readonly kept: Entry[]
  readonly skipped: Entry[]
}

/** Knows the jobs; an id without a verdict is left alone. */
export type Judge = (jobIds: string[]) => Promise<Map<string, Verdict>>

type Removing = Extract<Verdict, { action: 'remove' }>

const NOT_OURS = 'this daemon did not make it'

type Fate = { readonly list: keyof Reconciliation; readonly entry: Entry }

/**
 * Makes records, directories and registrations agree with what the jobs have become. Touches nothing that it
 * did not make: another installation's worktrees, names that are no job ids, jobs that nobody knows.
 */
export async function reconcile(
  engine: Engine,
  judge: Judge,
  clones: readonly string[],
  unmarked: Unmarked,
): Promise<Reconciliation> {
  await tidy(engine)
  const inventory = await takeInventory(engine, clones)
  const ids = inventory.map(({ name, record }) => record?.jobId ?? name).filter(isJobId)
  const verdicts = ids.length === 0 ? new Map<string, Verdict>() : await judge([...new Set(ids)])
  const result: Reconciliation = { removed: [], kept: [], skipped: [] }
  for (const found of inventory) {
    if (engine.stopping.aborted) break
    const fate = await decide(engine, found, verdicts, judge, clones, unmarked).catch((error: unknown) =>
      told(engine, found, 'skipped', messageOf(error)),
    )
    if (fate !== null) result[fate.list].push(fate.entry)
  }
  await rememberSaves(engine, clones)
  return result
}

/** Clones that hold saves and that no record names (our records were lost): the printed command must find them. */
async function rememberSaves(engine: Engine, clones: readonly string[]): Promise<void> {
  const remembered = new Set((await engine.records.clones()).map(({ commonDir }) => commonDir))
  for (const repository of await knownClones(engine, clones)) {
    const { commonDir, root } = repository
    if (remembered.has(commonDir) || engine.stopping.aborted) continue
    const saves = await savedIn(engine, repository).catch(() => [])
    const newest = saves
      .map(({ savedAt }) => savedAt)
      .sort()
      .at(-1)
    if (newest !== undefined)
      await engine.records.rememberClone({ commonDir, repoRoot: root, lastJobAt: newest })
  }
}

/** Null: it was there a moment ago and is gone. */
async function decide(
  engine: Engine,
  found: Found,
  verdicts: ReadonlyMap<string, Verdict>,
  judge: Judge,
  clones: readonly string[],
  unmarked: Unmarked,
): Promise<Fate | null> {
  const marker = found.listed?.marker ?? null
  if (!isJobId(found.name)) return told(engine, found, 'skipped', 'its name is no job id', null)
  if (marker !== null && marker.instanceId !== engine.instanceId) {
    return told(engine, found, 'skipped', `it belongs to another installation (${marker.instanceId})`)
  }
  const first = verdicts.get(found.name)
  if (first === undefined && isRestored(found)) return told(engine, found, 'skipped', RESTORED, null)
  if (first === undefined) return told(engine, found, 'skipped', 'no job of this user has that id', null)
  if (first.action === 'keep') return told(engine, found, 'kept', first.reason)
  if (marker === null && isOthersRecord(engine, found) && (await lstatOrNull(found.path)) === null) {
    // Its maker has removed it by now, and left of it what belongs there: a reported branch, say.
    await engine.turns.run(found.name, engine.stopping, () => engine.records.forget(found.name))
    return null
  }
  const isUnmarked = marker === null && found.record === null
  if (isUnmarked && unmarked === 'leave') return told(engine, found, 'skipped', NOT_OURS)
  return engine.turns.run(found.name, engine.stopping, async () => {
    // It may have been claimed since: what counts is what it is now, in its turn.
    const verdict = (await judge([found.name])).get(found.name)
    if (verdict?.action !== 'remove')
      return told(engine, found, 'kept', verdict?.reason ?? 'its job changed just now')
    if (isUnmarked && verdict.ended === null)
      return told(engine, found, 'kept', `${NOT_OURS}; ${verdict.reason}`)
    const record = (await engine.records.job(found.name)) ?? (await foundLoose(engine, found, clones))
    if (record === null) return null
    if (record === 'empty') {
      return (await removeEmpty(found.path)) ? told(engine, found, 'removed', 'it was empty') : null
    }
    if (typeof record === 'string') return told(engine, found, 'skipped', record)
    return fateOf(
      record.jobId,
      await finishRemoval(engine, withRemoval(engine, record, isUnmarked ? unlessDone(verdict) : verdict)),
      verdict.reason,
    )
  })
}

/** Of a home that ours is a copy of, or that was another installation once. */
function isOthersRecord(engine: Engine, { record }: Found): boolean {
  if (record?.phase !== 'ready' || record.instanceId === undefined) return false
  return record.instanceId !== engine.instanceId
}

/** A directory or registration that no record knows; null when it is gone by now. */
async function foundLoose(
  engine: Engine,
  found: Found,
  clones: readonly string[],
): Promise<JobRecord | string | null> {
  const now = (await takeInventory(engine, clones)).find(({ path }) => path === found.path)
  return now === undefined ? null : adopt(engine, now, clones)
}

/** What was reported of a job that was not done here is not known here. */
function unlessDone(verdict: Removing): Removing {
  return { ...verdict, branch: verdict.ended === 'DONE' ? 'keep' : 'delete' }
}

function withRemoval(engine: Engine, record: JobRecord, verdict: Removing): JobRecord {
  if (record.removal !== null) return record
  const removal = { branch: verdict.branch, requestedAt: engine.now().toISOString(), reason: verdict.reason }
  return { ...record, removal }
}

function fateOf(jobId: string, outcome: RemoveOutcome, why: string): Fate | null {
  const { path, bytes, salvageRef, reason } = outcome
  if (outcome.outcome === 'none' || path === null) return null
  const entry = { job_id: jobId, path, bytes, salvage_ref: salvageRef }
  if (outcome.outcome === 'removed') return { list: 'removed', entry: { ...entry, reason: why } }
  const deferred = outcome.outcome === 'deferred' ? 'removal waits: ' : ''
  return {
    list: 'kept',
    entry: { ...entry, reason: `${why}; ${deferred}${reason ?? 'it could not be saved'}` },
  }
}

async function told(
  engine: Engine,
  found: Found,
  list: keyof Reconciliation,
  reason: string,
  jobId: string | null = found.name,
): Promise<Fate | null> {
  // A registration without a directory is nobody's directory.
  if (!found.isThere) return null
  const bytes = list === 'removed' ? 0 : await engine.disk.usedBytes(found.path, engine.stopping)
  const path = engine.layout.shown(found.path)
  return { list, entry: { job_id: jobId, path, reason, bytes, salvage_ref: null } }
}
