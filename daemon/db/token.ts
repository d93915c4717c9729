import { createHash } from 'node:crypto'
import type pg from 'pg'

/** Whom the machine acts for. */
export interface TokenOwner {
  readonly userId: string
  readonly tokenId: string
  readonly isDemo: boolean
  readonly username: string
}

export type TokenCheck =
  | { readonly ok: true; readonly caller: TokenOwner }
  | { readonly ok: false; readonly reason: 'unknown' | 'revoked' | 'expired' }

/** As `api_tokens.token_hash` stores it: SHA-256, hex. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

const CHECK = `
         select t.id, t.user_id, u.is_demo, u.username,
                t.revoked_at is not null as revoked,
                t.expires_at is not null and t.expires_at <= now() at time zone 'utc' as expired
           from api_tokens t join users u on u.id = t.user_id
          where t.token_hash = $1`

interface TokenRow {
  readonly id: string
  readonly user_id: string
  readonly is_demo: boolean
  readonly username: string
  readonly revoked: boolean
  readonly expired: boolean
}

/** Whose `token` is, by the database's clock. One statement; throws only what the driver throws. */
export async function checkToken(pool: Pick<pg.Pool, 'query'>, token: string): Promise<TokenCheck> {
  const { rows } = await pool.query<TokenRow>(CHECK, [hashToken(token)])
  const row = rows[0]
  if (row === undefined) return { ok: false, reason: 'unknown' }
  if (row.revoked) return { ok: false, reason: 'revoked' }
  if (row.expired) return { ok: false, reason: 'expired' }
  const caller = { userId: row.user_id, tokenId: row.id, isDemo: row.is_demo, username: row.username }
  return { ok: true, caller }
}
