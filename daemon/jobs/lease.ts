import type { Sql } from '../db/sql.ts'
import { type ClaimIdentity, IS_OURS, identityValues } from './claim-identity.ts'

/** Until when a claim's lease runs, ISO, UTC; null: the claim is lost. A lock on its row keeps nobody waiting. */
export async function readLease(sql: Sql, identity: ClaimIdentity): Promise<{ until: string | null } | null> {
  const { rows } = await sql.query<{ lease_until: Date | null }>({
    name: 'lease',
    text: `select j.lease_until from claude_jobs j where ${IS_OURS}`,
    values: identityValues(identity),
  })
  const [row] = rows
  return row === undefined ? null : { until: row.lease_until?.toISOString() ?? null }
}
