import { DaemonError } from '../errors.ts'

/** A checked PostgreSQL URL. `toString` and JSON never show the password. */
export interface DatabaseUrl {
  /** For node-postgres; holds the password. */
  readonly connectionString: string
  /** Host name, address or the directory of a Unix socket. */
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string | undefined
  /** What must never be shown, for the redactor. */
  readonly secrets: readonly string[]
  /** Schema of the tables if it is not the search path's (`?schema=` of a Prisma URL). */
  readonly schema: string | undefined
  /** The URL itself says that a transaction pooler answers: no LISTEN, no session settings there. */
  readonly saysPooler: boolean
}

const SHAPE = 'postgresql://user:password@host:5432/database'

/** Parameters that say where and how to connect; everything else (timeouts, names) is ours to decide. */
const KEPT = new Set([
  'host',
  'port',
  'user',
  'password',
  'ssl',
  'sslmode',
  'sslcert',
  'sslkey',
  'sslrootcert',
  'sslnegotiation',
  'uselibpqcompat',
  'options',
])

/** Parses `text`; throws VALIDATION_ERROR that never repeats it, since it holds a password. */
export function parseDatabaseUrl(text: string, name = 'DATABASE_URL'): DatabaseUrl {
  const url = parse(text.trim(), name)
  const parameters = new URLSearchParams()
  for (const [key, value] of url.searchParams) if (KEPT.has(key)) parameters.set(key, value)
  strictTls(parameters)
  const host = parameters.get('host') || decode(url.hostname).replace(/^\[(.*)\]$/, '$1') || 'localhost'
  const port = Number(parameters.get('port') || url.port || 5432)
  const database = decode(url.pathname.slice(1))
  if (!/^[^/]+$/.test(database)) throw invalid(name, 'names no database')
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw invalid(name, 'has no valid port')
  const schema = url.searchParams.get('schema')
  const passwords = [decode(url.password), url.password, parameters.get('password') ?? '']
  const query = parameters.size === 0 ? '' : `?${parameters.toString().replaceAll('+', '%20')}`
  const credentials = url.username === '' ? '' : `${url.username}${url.password && `:${url.password}`}@`
  return {
    connectionString: `postgresql://${credentials}${url.host || 'localhost'}${url.pathname}${query}`,
    host,
    port,
    database,
    user: decode(url.username) || parameters.get('user') || undefined,
    secrets: passwords.filter((password) => password !== ''),
    schema: schema === null || schema === 'public' ? undefined : schema,
    saysPooler: url.searchParams.get('pgbouncer') === 'true' || isPoolerHost(host, port),
  }
}

/** `host:port/database` or `directory/database`: for people, without user or password. */
export function describeDatabase(url: DatabaseUrl): string {
  if (url.host.startsWith('/')) return `${url.host}/${url.database}`
  return `${url.host.includes(':') ? `[${url.host}]` : url.host}:${url.port}/${url.database}`
}

function parse(text: string, name: string): URL {
  let url: URL
  try {
    // `user@/database?host=/dir` is usual for sockets, and no URL for the standard.
    url = new URL(text.replace(/^(postgres(?:ql)?:\/\/[^/?#]*@)\//, '$1localhost/'))
  } catch {
    // Without a cause: Node's error repeats the text.
    throw invalid(name, 'is not a URL')
  }
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') {
    throw invalid(name, 'does not begin with postgresql://')
  }
  // An unescaped # or ? in a password would silently cut the URL short.
  if (url.hash !== '') throw invalid(name, 'contains a #, which must be written %23')
  for (const part of [url.username, url.password, url.pathname, url.hostname]) {
    try {
      decodeURIComponent(part)
    } catch {
      throw invalid(name, 'contains a %, which must be written %25')
    }
  }
  return url
}

/**
 * node-postgres already checks certificates for `require`, `prefer` and `verify-ca`, and warns that its
 * next major version will not; we ask for what it does now by its proper name.
 */
function strictTls(parameters: URLSearchParams): void {
  if (parameters.get('uselibpqcompat') === 'true') return
  const mode = parameters.get('sslmode')
  if (mode === 'require' || mode === 'prefer' || mode === 'verify-ca')
    parameters.set('sslmode', 'verify-full')
}

/** Neon's and Supabase's transaction poolers, and PgBouncer's usual port. */
function isPoolerHost(host: string, port: number): boolean {
  return /-pooler\./.test(host) || (/\.pooler\.supabase\.com$/.test(host) && port === 6543) || port === 6432
}

function decode(text: string): string {
  return decodeURIComponent(text)
}

function invalid(name: string, what: string): DaemonError {
  return new DaemonError('VALIDATION_ERROR', `${name} ${what}`, `Its shape is ${SHAPE}.`)
}
