import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { dirname } from 'node:path'
import type pg from 'pg'
import { codeOf } from '../errors.ts'
import { newId } from './new-id.ts'
import { hashToken } from './token.ts'

/**
 *   existing    the token file was there; whether the token is valid is for `checkToken` to say
 *   created     the database was empty: user and token are new (or the file's token was entered again)
 *   recovered   the file was lost, and its token, still valid, was replaced by a new one
 *   none        there are users, and no token of ours that could be replaced: somebody has to log in
 */
export type LocalOwner =
  | { readonly outcome: 'existing' | 'created' | 'recovered'; readonly token: string }
  | { readonly outcome: 'none' }

/** Marks the token that the daemon gave itself; no other is ever replaced. */
const LABEL = 'scrum4me-daemon (local)'
const ROLES = ['PRODUCT_OWNER', 'SCRUM_MASTER', 'DEVELOPER']

/**
 * Gives a machine with a database of its own a user and a token. The file is written before the database:
 * killed in between, the next start finds a token that an empty database does not know, and enters it.
 * For the embedded database only, under the instance lock.
 */
export async function ensureLocalOwner(
  pool: pg.Pool,
  tokenFile: string,
  username: string = systemUser(),
): Promise<LocalOwner> {
  const stored = await readToken(tokenFile)
  const { rows } = await pool.query<{ used: boolean }>('select exists (select from users) as used')
  if (rows[0]?.used !== true) {
    const token = stored ?? newToken()
    if (stored === undefined) await writeToken(tokenFile, token)
    await createOwner(pool, sanitize(username), token)
    return { outcome: 'created', token }
  }
  if (stored !== undefined) return { outcome: 'existing', token: stored }
  return recover(pool, tokenFile)
}

/** One statement, so that a user without a token never exists. */
async function createOwner(pool: pg.Pool, username: string, token: string): Promise<void> {
  const userId = newId()
  await pool.query(
    `with owner as (
       insert into users (id, username, password_hash, created_at, updated_at)
       values ($1, $2, '!', now() at time zone 'utc', now() at time zone 'utc') returning id
     ), roles as (
       insert into user_roles (id, user_id, role)
       select r.id, owner.id, r.role::"Role" from owner, unnest($3::text[], $4::text[]) as r(id, role)
     )
     insert into api_tokens (id, user_id, token_hash, label, created_at)
     select $5, id, $6, $7, now() at time zone 'utc' from owner`,
    [userId, username, ROLES.map(() => newId()), ROLES, newId(), hashToken(token), LABEL],
  )
}

/** A lost file is no reason to lock the owner out; a token that was revoked or has expired stays so. */
async function recover(pool: pg.Pool, tokenFile: string): Promise<LocalOwner> {
  const { rows } = await pool.query<{ id: string }>(
    `select id from api_tokens
      where label = $1 and revoked_at is null and (expires_at is null or expires_at > now() at time zone 'utc')
      order by created_at desc limit 1`,
    [LABEL],
  )
  const lost = rows[0]
  if (lost === undefined) return { outcome: 'none' }
  const token = newToken()
  // Here the database comes first: a file with a token that it does not know would look like `existing`.
  // Killed in between, the next start finds this same row again.
  await pool.query('update api_tokens set token_hash = $2 where id = $1', [lost.id, hashToken(token)])
  await writeToken(tokenFile, token)
  return { outcome: 'recovered', token }
}

function newToken(): string {
  return randomBytes(32).toString('hex')
}

async function readToken(file: string): Promise<string | undefined> {
  try {
    const token = (await readFile(file, 'utf8')).trim()
    return token === '' ? undefined : token
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Whole or not at all, and never readable for others. */
async function writeToken(file: string, token: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const scratch = `${file}.${process.pid}`
  const handle = await open(scratch, 'w', 0o600)
  try {
    await handle.chmod(0o600)
    await handle.writeFile(`${token}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(scratch, file)
}

/** A user name of this machine as a Scrum4Me user name. */
function sanitize(username: string): string {
  const name = username
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .slice(0, 40)
  return name === '' ? 'local' : name
}

function systemUser(): string {
  try {
    return userInfo().username
  } catch {
    // A container's uid need not be in /etc/passwd.
    return ''
  }
}
