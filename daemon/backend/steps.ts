import { join } from 'node:path'
import type { Config } from '../config/config.ts'
import type { EmbeddedPostgres } from '../db/embedded/embedded-postgres.ts'
import { ensureLocalOwner } from '../db/local-owner.ts'
import { migrate } from '../db/migrate.ts'
import { ownerSql } from '../db/owner-sql.ts'
import type { Pools } from '../db/pools.ts'
import { checkSchema, type SchemaFindings } from '../db/schema-check.ts'
import { checkToken } from '../db/token.ts'
import { DaemonError } from '../errors.ts'
import type { Redactor } from '../redact.ts'
import type { BackendSteps } from './backend.ts'

export interface StepsOptions {
  readonly config: Config
  readonly pools: Pools
  /** Null: a database of somebody else's, where the daemon is a guest. */
  readonly embedded: EmbeddedPostgres | null
  readonly redactor: Redactor
  /** What the schema check found, each time it ran. */
  found(findings: SchemaFindings): void
}

/** Nothing but this daemon knows the embedded database: there is no web app in which to make a token for it. */
function tokenRemedy(isEmbedded: boolean, isSet: boolean): string {
  if (!isEmbedded) {
    return 'Create a token in Scrum4Me, run `scrum4me-daemon login`, then `scrum4me-daemon restart`'
  }
  return isSet
    ? 'The embedded database has a token of its own: remove SCRUM4ME_TOKEN from the environment and daemon.env, then run `scrum4me-daemon restart`'
    : 'It is the one of the embedded database, in state/token: make it valid again there (table api_tokens, at `scrum4me-daemon db url`)'
}

/** The way from nothing to an authorized caller: owner of the embedded database, guest on a shared one. */
export function backendSteps(options: StepsOptions): BackendSteps {
  const { config, pools, embedded, redactor } = options
  return {
    async reach(signal) {
      await embedded?.ensureRunning(signal)
      await pools.core.query('select 1')
    },
    async checkSchema() {
      if (embedded !== null) await migrate(pools.core)
      const findings = await checkSchema(pools.core)
      options.found(findings)
      return findings.blocking === null
        ? null
        : new DaemonError(
            'DATABASE_UNAVAILABLE',
            `The database lacks what the daemon needs: ${findings.blocking}`,
            `Nothing was changed. ${ownerSql(findings.sql.join('\n'))}`,
          )
    },
    async authorize() {
      const token = config.token ?? (await ownToken())
      if (token === null) return { refused: 'not set (SCRUM4ME_TOKEN)' }
      const check = await checkToken(pools.core, token)
      if (!check.ok) return { refused: check.reason }
      const { userId, tokenId, isDemo } = check.caller
      return { caller: { userId, tokenId, isDemo } }
    },
    tokenRemedy: tokenRemedy(embedded !== null, config.token !== undefined),
  }

  async function ownToken(): Promise<string | null> {
    if (embedded === null) return null
    const owner = await ensureLocalOwner(pools.core, join(config.paths.stateDir, 'token'))
    if (owner.outcome === 'none') return null
    redactor.add(owner.token)
    return owner.token
  }
}
