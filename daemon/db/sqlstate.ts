/**
 * What a failed statement means for its caller.
 *   unreachable    no answer, or an answer that says "not now": the statement may or may not have run
 *   refused        the server is there and does not let us in
 *   schema         a table, column or type is missing
 *   readonly       a standby; another server is the primary now
 *   conflict       lost against another transaction; running it again is right
 *   busy           a lock or the statement's time limit: it had no effect
 *   unique, reference, invalid   the data
 *   full           the server has no room
 */
export type Meaning =
  | 'unreachable'
  | 'refused'
  | 'schema'
  | 'readonly'
  | 'conflict'
  | 'busy'
  | 'unique'
  | 'reference'
  | 'invalid'
  | 'full'
  | 'other'

/** Source: PostgreSQL manual, appendix A. Five characters before two, so that the exceptions of a class win. */
const BY_STATE: Readonly<Record<string, Meaning>> = {
  '08': 'unreachable', // connection exception
  '08P01': 'refused', // protocol violation: a pooler that does not know what we ask
  '22': 'invalid',
  '23': 'invalid',
  '23505': 'unique',
  '23503': 'reference',
  '23001': 'reference', // restrict
  '25006': 'readonly',
  '25P03': 'unreachable', // idle in transaction for too long: the connection is gone
  '26000': 'unreachable', // a prepared statement that another backend holds
  '28': 'refused', // authentication
  '3D000': 'refused', // no such database
  '3F000': 'schema',
  '40': 'conflict', // serialization, deadlock
  '42': 'other',
  '42501': 'refused', // no privilege
  '42P01': 'schema', // no such table
  '42703': 'schema', // no such column
  '42704': 'schema', // no such type
  '42883': 'schema', // no such function
  '53': 'full',
  '53300': 'unreachable', // too many connections
  '55P03': 'busy', // lock not available
  '57014': 'busy', // cancelled, usually by statement_timeout
  '57P01': 'unreachable', // the server shuts down
  '57P02': 'unreachable', // another process of it crashed
  '57P03': 'unreachable', // it is starting
  '57P05': 'unreachable', // idle for too long
  '58': 'full', // I/O error
  XX: 'other',
}

export function meaningOf(sqlstate: string): Meaning {
  return BY_STATE[sqlstate] ?? BY_STATE[sqlstate.slice(0, 2)] ?? 'other'
}
