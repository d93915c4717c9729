import type { ClaimRecord } from '../jobs/claim-record.ts'
import { isPidAlive, isProcessAlive } from '../sessions/process-alive.ts'
import type { SessionRegistry } from '../sessions/registry.ts'
import type { Session } from '../sessions/session.ts'

/** After a drop or a restart a living shim is back within a second; until then nobody inherits. */
export const RECONNECT_MS = 10_000

export function isOwner(claim: ClaimRecord, session: Session): boolean {
  return claim.owner?.key === session.ref.key
}

/** ms since the owner of a claim vanished; 0 while it is connected. */
export function goneMs({ owner }: ClaimRecord, sessions: SessionRegistry): number {
  const session = owner === null ? undefined : sessions.get(owner.key)
  if (session === undefined) return Number.POSITIVE_INFINITY
  return session.goneSince === null ? 0 : performance.now() - session.goneSince
}

/** The claim was offered to another session since, which did not receive it: so nobody else has the job. */
export function isStillIts(claim: ClaimRecord, session: Session): boolean {
  if (claim.delivered || (claim.state !== 'undelivered' && claim.state !== 'released')) return false
  return claim.earlier.some(({ key }) => key === session.ref.key)
}

/**
 * Whether a session may take over a held claim of another one (contract 4, Orphaned): the owner has
 * vanished, and its client process is gone or is the same as this session's. Otherwise the claim waits
 * for its owner until the grace is over.
 */
export async function mayAdopt(
  claim: ClaimRecord,
  session: Session,
  sessions: SessionRegistry,
): Promise<boolean> {
  const owner = claim.owner
  if (owner === null) return true
  const before = sessions.get(owner.key)
  if (before !== undefined) {
    if (before.goneSince === null) return false
    const shimLives = before.hello === null || (await isPidAlive(before.hello.pid))
    if (shimLives && performance.now() - before.goneSince < RECONNECT_MS) return false
  }
  const client = owner.clientProcess
  if (client === null) return false
  const mine = session.ref.clientProcess
  if (mine !== null && mine.pid === client.pid && mine.startedAt === client.startedAt) return true
  return !(await isProcessAlive(client))
}
