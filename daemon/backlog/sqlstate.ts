import { codeOf } from '../errors.ts'

/** Five characters with a digit (`EPIPE` is none) that are no error code of Prisma's (`P2002`). */
const SQLSTATE = /^(?!P\d{4}$)(?=.*\d)[0-9A-Z]{5}$/

/**
 * The SQLSTATE behind a database error, or undefined. Prisma 7 keeps it in
 * `meta.driverAdapterError.cause.originalCode`, its bare driver errors in `cause.originalCode`,
 * node-postgres in `code`.
 */
export function sqlStateOf(thrown: unknown): string | undefined {
  let level: unknown = thrown
  for (let depth = 0; depth < 6 && typeof level === 'object' && level !== null; depth += 1) {
    const original = Reflect.get(level, 'originalCode')
    if (typeof original === 'string') return original
    const code = codeOf(level)
    if (code !== undefined && SQLSTATE.test(code)) return code
    level =
      Reflect.get(level, 'meta') ?? Reflect.get(level, 'driverAdapterError') ?? Reflect.get(level, 'cause')
  }
  return undefined
}
