import type { QueryResult, QueryResultRow } from 'pg'
import type { Pools } from './pools.ts'

/** The part of a `pg.Pool` that job statements use. Named statements are planned once per connection. */
export interface Sql {
  query<R extends QueryResultRow>(statement: {
    name?: string
    text: string
    values: unknown[]
  }): Promise<QueryResult<R>>
}

/** The database's clock in the form its columns have. */
export const NOW = `(now() at time zone 'utc')`

/** For statements that wait for nobody: heartbeat, claim, rescue, reading. */
export function coreSql(pools: Pools): Sql {
  return sqlOf(pools, 'core')
}

/**
 * For statements that may have to wait for a row which somebody else has locked, such as a report while the
 * web app edits the job: on the core connection they would keep the heartbeat waiting as well.
 */
export function rowSql(pools: Pools): Sql {
  return sqlOf(pools, 'backlog')
}

/** Behind a pooler a statement's name could be another backend's, so there it has none. */
function sqlOf(pools: Pools, pool: 'core' | 'backlog'): Sql {
  return {
    query: ({ name, text, values }) =>
      pools[pool].query(
        name === undefined || pools.direct !== true ? { text, values } : { name, text, values },
      ),
  }
}
