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

/** The core connection. Behind a pooler a statement's name could be another backend's, so there it has none. */
export function coreSql(pools: Pools): Sql {
  return {
    query: ({ name, text, values }) =>
      pools.core.query(
        name === undefined || pools.direct !== true ? { text, values } : { name, text, values },
      ),
  }
}
