import { DaemonError } from '../errors.ts'
import { type Meaning, meaningOf } from './sqlstate.ts'

/** What can be known about a thrown value of pg, of Prisma or of its adapter. */
export interface DatabaseFailure {
  readonly meaning: Meaning
  /** As PostgreSQL sent it; undefined if the failure never reached or never left a server. */
  readonly sqlstate: string | undefined
}

/** Node's errors of a socket that does not reach its server, or no longer does. */
const SOCKET_CODES = new Set([
  ...['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'],
  ...['ENETDOWN', 'EHOSTDOWN', 'ENOTFOUND', 'EAI_AGAIN', 'ENOENT', 'EACCES', 'ENOTCONN', 'ECANCELED'],
])

/** node-postgres gives these no code; Prisma puts a paragraph of its own before them. */
const LOST_CONNECTION =
  /(?:^|\n)(?:Connection terminated|timeout expired|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|Client was closed|Cannot use a pool after calling end)/

/** Prisma's own codes, for where there is no SQLSTATE; P2002, P2003 and P2034 mostly have one in the adapter's cause. */
const BY_PRISMA_CODE: Readonly<Record<string, Meaning>> = {
  P1000: 'refused',
  P1001: 'unreachable',
  P1002: 'unreachable',
  P1003: 'refused',
  P1008: 'unreachable',
  P1010: 'refused',
  P1011: 'unreachable',
  P1017: 'unreachable',
  P2002: 'unique',
  P2003: 'reference',
  P2021: 'schema',
  P2022: 'schema',
  P2024: 'unreachable',
  P2028: 'busy',
  P2034: 'conflict',
  P2037: 'unreachable',
}

const BY_ADAPTER_KIND: Readonly<Record<string, Meaning>> = {
  DatabaseNotReachable: 'unreachable',
  ConnectionClosed: 'unreachable',
  SocketTimeout: 'unreachable',
  TooManyConnections: 'unreachable',
  TlsConnectionError: 'refused',
  TransactionWriteConflict: 'conflict',
  UniqueConstraintViolation: 'unique',
}

/**
 * Reads a thrown value. The layers wrap one another (`meta.driverAdapterError.cause`, `cause`, `errors` of
 * an AggregateError), so the first layer that is certain counts: a SQLSTATE before a code of Prisma's
 * before a socket's errno. Undefined: not a failure of the database.
 */
export function readDatabaseError(thrown: unknown): DatabaseFailure | undefined {
  const layers = unwrap(thrown)
  const sqlstate = first(layers, sqlstateOf)
  const meaning =
    (sqlstate === undefined ? undefined : meaningOf(sqlstate)) ??
    first(layers, (layer) => lookup(BY_ADAPTER_KIND, layer.kind)) ??
    first(layers, (layer) => (isLostConnection(layer) ? 'unreachable' : undefined)) ??
    first(layers, (layer) => lookup(BY_PRISMA_CODE, layer.code))
  if (meaning === undefined) return undefined
  return { meaning, sqlstate }
}

/** The server cannot be reached or broke off: whether the statement took effect is unknown. */
export function isConnectionFailure(thrown: unknown): boolean {
  const meaning = readDatabaseError(thrown)?.meaning
  return meaning === 'unreachable' || meaning === 'readonly'
}

/** Waiting or trying again can help. */
export function isTransient(thrown: unknown): boolean {
  const meaning = readDatabaseError(thrown)?.meaning
  return meaning !== undefined && ['unreachable', 'readonly', 'conflict', 'busy', 'full'].includes(meaning)
}

/** The server read the statement and will never take it: its data break a rule of a type, a table or a trigger. */
export function isRefusedForGood(thrown: unknown): boolean {
  const failure = readDatabaseError(thrown)
  if (failure === undefined) return false
  return failure.sqlstate === RAISED || ['invalid', 'unique', 'reference'].includes(failure.meaning)
}

const REMEDIES: Partial<Record<Meaning, readonly [string, string]>> = {
  unreachable: [
    'The database does not answer',
    'The daemon keeps trying; `scrum4me-daemon doctor` says what is wrong.',
  ],
  refused: [
    'The database refuses the connection or the statement',
    'Check user, password, database name and privileges in DATABASE_URL (`scrum4me-daemon login`).',
  ],
  schema: [
    'A table or column that is needed is missing in the database',
    '`scrum4me-daemon doctor` names it; `scrum4me-daemon db migrate --print` shows the SQL for its owner.',
  ],
  readonly: [
    'The database is read-only at the moment, as a standby is',
    'The daemon keeps trying; DATABASE_URL must lead to the primary.',
  ],
  conflict: ['The database was busy with a conflicting change; nothing was changed', 'Try again.'],
  busy: [
    'The database took too long and the statement was cancelled; nothing was changed',
    'Try again; `scrum4me-daemon status` shows how fast the database answers.',
  ],
  full: [
    'The database has no room or a disk error',
    'Free space on the database server, then try again; nothing was changed.',
  ],
}

/**
 * A thrown value for a caller outside: DATABASE_UNAVAILABLE with what to do where it is the database's
 * fault, CONFLICT for a violated unique index, INTERNAL for what we should not have sent. Undefined when
 * the database has nothing to do with it. The server's own words stay in `cause`: they may quote data.
 */
export function toDatabaseError(thrown: unknown): DaemonError | undefined {
  if (thrown instanceof DaemonError) return thrown
  const failure = readDatabaseError(thrown)
  if (failure === undefined) return undefined
  const state = failure.sqlstate === undefined ? '' : ` (SQLSTATE ${failure.sqlstate})`
  const remedy = REMEDIES[failure.meaning]
  if (remedy !== undefined) {
    return new DaemonError('DATABASE_UNAVAILABLE', `${remedy[0]}${state}`, remedy[1], thrown)
  }
  if (failure.sqlstate === RAISED) {
    return new DaemonError(
      'INTERNAL',
      `A trigger or function of the database refuses the change${state}; nothing was changed`,
      '`scrum4me-daemon logs` has its words; the owner of the database knows the rule behind it.',
      thrown,
    )
  }
  if (failure.meaning === 'unique') {
    const message = 'Such an entry exists already; nothing was changed'
    return new DaemonError('CONFLICT', message, 'Use the existing one or choose another name.', thrown)
  }
  return new DaemonError(
    'INTERNAL',
    `The database rejected a statement${state}; nothing was changed`,
    'This is a defect of the daemon; `scrum4me-daemon logs` has the details.',
    thrown,
  )
}

/** A trigger said no. */
const RAISED = 'P0001'

type Layer = Readonly<Record<string, unknown>>

/** The thrown value and everything it wraps, outermost first. */
function unwrap(thrown: unknown, layers: Layer[] = []): Layer[] {
  if (!isLayer(thrown) || layers.includes(thrown) || layers.length >= 20) return layers
  layers.push(thrown)
  unwrap(thrown.cause, layers)
  if (isLayer(thrown.meta)) unwrap(thrown.meta.driverAdapterError, layers)
  if (Array.isArray(thrown.errors)) for (const error of thrown.errors) unwrap(error, layers)
  return layers
}

/** pg puts it into `code`, beside `severity`; Prisma's adapter into `originalCode`. */
function sqlstateOf(layer: Layer): string | undefined {
  const state = text(layer.originalCode) ?? (layer.severity === undefined ? undefined : text(layer.code))
  return state !== undefined && /^[0-9A-Z]{5}$/.test(state) ? state : undefined
}

function isLostConnection(layer: Layer): boolean {
  // EACCES and ENOENT mean a server only where a socket was tried, not a file.
  if (typeof layer.code === 'string' && SOCKET_CODES.has(layer.code)) {
    if (!['ENOENT', 'EACCES'].includes(layer.code)) return true
    return layer.syscall === 'connect' || /\bconnect E[A-Z]+/.test(text(layer.message) ?? '')
  }
  return typeof layer.message === 'string' && LOST_CONNECTION.test(layer.message)
}

function first<T>(layers: readonly Layer[], read: (layer: Layer) => T | undefined): T | undefined {
  for (const layer of layers) {
    const found = read(layer)
    if (found !== undefined) return found
  }
  return undefined
}

function lookup(table: Readonly<Record<string, Meaning>>, key: unknown): Meaning | undefined {
  return typeof key === 'string' && Object.hasOwn(table, key) ? table[key] : undefined
}

function isLayer(value: unknown): value is Layer {
  return typeof value === 'object' && value !== null
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
