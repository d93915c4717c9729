import pg from 'pg'

const TIMESTAMP_WITHOUT_ZONE = 1114

/**
 * Scrum4Me's times are UTC in columns without zone, which node-postgres would read as local time.
 * For the `types` option of a client or a pool.
 */
export const utcTypes: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) =>
    oid === TIMESTAMP_WITHOUT_ZONE && format !== 'binary'
      ? parseUtcTimestamp
      : pg.types.getTypeParser(oid, format),
}

export function parseUtcTimestamp(text: string): Date {
  return new Date(`${text.replace(' ', 'T')}Z`)
}
