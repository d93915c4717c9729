import type { z } from 'zod'

/** Rows of a raw query as their schema reads them; throws if the query and the schema disagree. */
export function rowsOf<T extends z.ZodObject>(schema: T, rows: unknown): z.output<T>[] {
  return schema.array().parse(rows)
}

/** The one row of a query that always has one. */
export function rowOf<T extends z.ZodObject>(schema: T, rows: unknown): z.output<T> {
  const [row] = rowsOf(schema, rows)
  if (row === undefined) throw new Error('a query that always returns a row returned none')
  return row
}
