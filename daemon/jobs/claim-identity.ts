/**
 * What makes a claim this claim and no later one (contract 4). Every write to a claimed job is
 * conditional on it, with status CLAIMED or RUNNING; no row written means the claim is lost.
 */
export interface ClaimIdentity {
  readonly jobId: string
  readonly tokenId: string
  readonly instanceId: string
  /** `claimed_at` as PostgreSQL prints it: compared by the database, never parsed here. */
  readonly claimedAt: string
}

/** SQL condition on `claude_jobs j`; takes `identityValues` as $1 to $4. */
export const IS_OURS = `j.id = $1 and j.claimed_by_token_id = $2 and j.worker_instance_id = $3
  and j.claimed_at = $4::timestamp(3) and j.status in ('CLAIMED', 'RUNNING')`

export function identityValues(identity: ClaimIdentity): string[] {
  return [identity.jobId, identity.tokenId, identity.instanceId, identity.claimedAt]
}
