import { isAbsolute, normalize } from 'node:path'
import { messageOf } from '../errors.ts'

/** What to do in a fresh worktree of one product, from the user's own file, never from a repository. */
export interface Preparation {
  /** Paths relative to the clone's root. */
  readonly copy: readonly string[]
  readonly link: readonly string[]
  /** Program and arguments; a string in the file is given to `sh -c`. */
  readonly command: readonly string[] | null
  readonly timeoutSeconds: number
}

export interface AgentConfig {
  readonly repoRoots: ReadonlyMap<string, string>
  readonly preparation: ReadonlyMap<string, Preparation>
  /** What of the file could not be used; the rest counts all the same. */
  readonly warnings: readonly string[]
}

export const EMPTY_AGENT_CONFIG: AgentConfig = { repoRoots: new Map(), preparation: new Map(), warnings: [] }
const DEFAULT_TIMEOUT_SECONDS = 300
const MAX_TIMEOUT_SECONDS = 3600

/** `{ "repoRoots": { id: "/abs" }, "preparation": { id: { copy, link, command, timeoutSeconds } } }`. */
export function parseAgentConfig(text: string, file: string): AgentConfig {
  const warnings: string[] = []
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    return { ...EMPTY_AGENT_CONFIG, warnings: [`${file} is no valid JSON: ${messageOf(error)}`] }
  }
  if (!isRecord(parsed)) return { ...EMPTY_AGENT_CONFIG, warnings: [`${file} holds no JSON object`] }
  const repoRoots = new Map<string, string>()
  for (const [product, root] of section(parsed, 'repoRoots', file, warnings)) {
    if (typeof root === 'string' && isAbsolute(root)) repoRoots.set(product, normalize(root))
    else warnings.push(`${file}: repoRoots.${product} is no absolute path`)
  }
  const preparation = new Map<string, Preparation>()
  for (const [product, value] of section(parsed, 'preparation', file, warnings)) {
    const parsedOne = parsePreparation(value)
    if (typeof parsedOne === 'string') warnings.push(`${file}: preparation.${product} ${parsedOne}`)
    else preparation.set(product, parsedOne)
  }
  return { repoRoots, preparation, warnings }
}

/**
 * The file's text with one repo root set, everything else in it kept.
 * Undefined when the text is no JSON object: that is a person's file, not ours to replace.
 */
export function withRepoRoot(text: string, productId: string, path: string): string | undefined {
  let parsed: unknown
  try {
    parsed = text.trim() === '' ? {} : JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isRecord(parsed)) return undefined
  const roots = parsed.repoRoots === undefined ? {} : parsed.repoRoots
  if (!isRecord(roots)) return undefined
  return `${JSON.stringify({ ...parsed, repoRoots: { ...roots, [productId]: path } }, null, 2)}\n`
}

function parsePreparation(value: unknown): Preparation | string {
  if (!isRecord(value)) return 'is no object'
  const copy = relativePaths(value.copy)
  const link = relativePaths(value.link)
  if (copy === undefined || link === undefined)
    return 'has a copy or link that is no list of paths inside the clone'
  const command = parseCommand(value.command)
  if (command === undefined) return 'has a command that is neither a string nor a list of strings'
  const seconds = value.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS
  if (
    typeof seconds !== 'number' ||
    !Number.isInteger(seconds) ||
    seconds < 1 ||
    seconds > MAX_TIMEOUT_SECONDS
  ) {
    return `has a timeoutSeconds that is no integer from 1 to ${MAX_TIMEOUT_SECONDS}`
  }
  return { copy, link, command, timeoutSeconds: seconds }
}

function parseCommand(value: unknown): readonly string[] | null | undefined {
  if (value === undefined || value === null) return null
  if (typeof value === 'string') return value.trim() === '' ? null : ['sh', '-c', value]
  if (!isTextList(value)) return undefined
  return value.length === 0 ? null : value
}

function relativePaths(value: unknown): string[] | undefined {
  if (value === undefined) return []
  if (!isTextList(value)) return undefined
  const paths = value.map((path) => normalize(path))
  return paths.every(isInside) ? paths : undefined
}

function isInside(path: string): boolean {
  const first = path.split('/')[0]
  return !isAbsolute(path) && path !== '.' && first !== '..' && first !== '.git' && !path.includes('\0')
}

function section(
  parsed: Record<string, unknown>,
  name: string,
  file: string,
  warnings: string[],
): [string, unknown][] {
  const value = parsed[name]
  if (value === undefined) return []
  if (isRecord(value)) return Object.entries(value)
  warnings.push(`${file}: ${name} is no object`)
  return []
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string' && item !== '')
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
