import type { z } from 'zod'
import { DaemonError } from '../errors.ts'

/**
 * What agents written for Scrum4Me send to tools that have no use for it: accepted and ignored
 * (contract 6). Everything else that a tool does not name is refused.
 */
const TOLERATED = new Set(['sort_order', 'sprint_id', 'capability', 'model_id', 'cost'])
const TOKEN_COUNT = /^(?:\w+_)?(?:tokens|token_count)$/

/** Arguments as the tool's schema reads them, or VALIDATION_ERROR naming every argument at fault. */
export function parseArguments<I extends z.ZodObject>(schema: I, args: unknown): z.output<I> {
  if (args !== undefined && !isRecord(args)) throw refused(['the arguments must be one JSON object'])
  const given: Record<string, unknown> = {}
  const faults: string[] = []
  for (const [name, value] of Object.entries(args ?? {})) {
    if (Object.hasOwn(schema.shape, name)) given[name] = value
    else if (!TOLERATED.has(name) && !TOKEN_COUNT.test(name)) {
      faults.push(`${shorten(name)} is not an argument of this tool`)
    }
  }
  const parsed = schema.safeParse(given)
  if (parsed.success && faults.length === 0) return parsed.data
  if (!parsed.success) faults.push(...parsed.error.issues.map((issue) => faultOf(issue, given)))
  throw refused(faults)
}

function refused(faults: readonly string[]): DaemonError {
  const shown = faults.slice(0, 10).join('; ')
  const more = faults.length > 10 ? `; and ${faults.length - 10} more` : ''
  return new DaemonError(
    'VALIDATION_ERROR',
    shown + more,
    'Correct the arguments and call again; nothing was changed.',
  )
}

function faultOf(issue: z.core.$ZodIssue, args: unknown): string {
  const name = nameOf(issue.path)
  switch (issue.code) {
    case 'invalid_type':
      if (valueAt(args, issue.path) === undefined) return `${name} is required`
      return `${name} must be ${KINDS[issue.expected] ?? issue.expected}`
    case 'too_small':
      return `${name} must ${limit(issue.origin, 'at least', Number(issue.minimum))}`
    case 'too_big':
      return `${name} must ${limit(issue.origin, 'at most', Number(issue.maximum))}`
    case 'invalid_value':
      return `${name} must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map(String).join(', ')}`
    default:
      return `${name} ${issue.message}`
  }
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
}

function limit(origin: string, bound: string, size: number): string {
  if (origin === 'string') {
    return size === 1 && bound === 'at least'
      ? 'not be empty'
      : `have ${bound} ${size.toLocaleString('en')} characters`
  }
  if (origin === 'array') return `have ${bound} ${size} entries`
  return `be ${bound} ${size}`
}

function nameOf(path: readonly PropertyKey[]): string {
  const [first, ...rest] = path.map(String)
  return shorten((first ?? 'the arguments') + rest.map((part) => `[${part}]`).join(''))
}

function valueAt(args: unknown, path: readonly PropertyKey[]): unknown {
  let value = args
  for (const part of path) {
    if (typeof value !== 'object' || value === null) return undefined
    value = Reflect.get(value, part)
  }
  return value
}

/** A name that came from outside, fit for one line. */
function shorten(name: string): string {
  return name.length > 80 ? `${name.slice(0, 80)}…` : name
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
