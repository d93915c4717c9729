import type { QueryResult, QueryResultRow } from 'pg'

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
