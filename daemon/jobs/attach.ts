import { NOW, type Sql } from '../db/sql.ts'
import { type ClaimIdentity, IS_OURS, identityValues } from './claim-identity.ts'

/** Writes branch and base commit into the claimed job; false: the claim is no longer ours. */
export async function attach(
  sql: Sql,
  identity: ClaimIdentity,
  worktree: { branch: string; baseSha: string },
): Promise<boolean> {
  const { rowCount } = await sql.query({
    name: 'attach',
    text: `update claude_jobs j set branch = $5, base_sha = $6, updated_at = ${NOW} where ${IS_OURS}`,
    values: [...identityValues(identity), worktree.branch, worktree.baseSha],
  })
  return rowCount === 1
}
