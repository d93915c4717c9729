/**
 * Claude Code cuts a tool's result at 25,000 tokens, silently. English is about 3.5 bytes a token,
 * Chinese about 3, JSON and code fewer: 40,000 bytes stay far below in any language.
 */
export const MAX_RESULT_BYTES = 40_000
/** No text is cut below this, bytes: ids, codes, paths, URLs and titles always stay whole. */
const KEEP_BYTES = 1_000

/**
 * A result that fits `maxBytes` of JSON: a long text that it says twice (a plan and its snapshot) is said once, then the
 * longest texts are cut; every cut says what is missing. Short texts, numbers and the structure stay as they are, so a list that is too long is
 * its tool's to cut (`takeWithin`).
 */
export function shrink(value: Record<string, unknown>, maxBytes = MAX_RESULT_BYTES): Record<string, unknown> {
  if (jsonBytes(value) <= maxBytes) return value
  const told = sayOnce(value, new Map())
  return isRecord(told) ? cutToFit(told, maxBytes) : value
}

function cutToFit(value: Record<string, unknown>, maxBytes: number): Record<string, unknown> {
  const total = jsonBytes(value)
  if (total <= maxBytes) return value
  const limit = textLimit(textSizes(value), total - maxBytes)
  const cut = cutTexts(value, limit)
  return isRecord(cut) ? cut : value
}

/**
 * Entries from the front that fit `maxBytes` of JSON together once `shrink` has cut their texts, at
 * least one; and how many are left out.
 */
export function takeWithin<T>(
  entries: readonly T[],
  maxBytes = MAX_RESULT_BYTES / 2,
): { kept: T[]; left: number } {
  const kept: T[] = []
  let bytes = 0
  for (const entry of entries) {
    bytes += jsonBytes(cutTexts(entry, KEEP_BYTES)) + 1
    if (bytes > maxBytes && kept.length > 0) break
    kept.push(entry)
  }
  return { kept, left: entries.length - kept.length }
}

/** At most `maxBytes` of the text, with a closing note when something is missing. */
export function cutText(text: string, maxBytes: number): string {
  if (jsonBytes(text) <= maxBytes) return text
  // Room for the note; then from the byte budget down to whole characters.
  let end = Math.min(text.length, Math.max(0, maxBytes - 80))
  while (end > 0 && jsonBytes(text.slice(0, end)) > maxBytes - 80) end = Math.floor(end * 0.9)
  if (isHighSurrogate(text.charCodeAt(end - 1))) end -= 1
  const missing = (text.length - end).toLocaleString('en')
  return `${text.slice(0, end)}\n[cut: ${missing} more characters, stored in full]`
}

export function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value) ?? '')
}

/** The size to cut to, so that what exceeds it adds up to `excess` (or KEEP_BYTES, if that is not enough). */
function textLimit(sizes: number[], excess: number): number {
  sizes.sort((a, b) => b - a)
  let saved = 0
  for (const [index, size] of sizes.entries()) {
    const next = Math.max(sizes[index + 1] ?? KEEP_BYTES, KEEP_BYTES)
    const step = (size - next) * (index + 1)
    if (saved + step >= excess) return Math.max(KEEP_BYTES, size - Math.ceil((excess - saved) / (index + 1)))
    saved += step
  }
  return KEEP_BYTES
}

function textSizes(value: unknown): number[] {
  if (typeof value === 'string') {
    const bytes = jsonBytes(value)
    return bytes > KEEP_BYTES ? [bytes] : []
  }
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap(textSizes)
}

function cutTexts(value: unknown, limit: number): unknown {
  if (typeof value === 'string') return cutText(value, limit)
  if (Array.isArray(value)) return value.map((entry) => cutTexts(entry, limit))
  if (!isRecord(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, cutTexts(child, limit)]))
}

/** `seen`: where a long text was said first. */
function sayOnce(value: unknown, seen: Map<string, string>, name = ''): unknown {
  if (typeof value === 'string') {
    const first = seen.get(value)
    if (first !== undefined) return `[cut: the same text as ${first}]`
    if (jsonBytes(value) > KEEP_BYTES) seen.set(value, name)
    return value
  }
  if (Array.isArray(value)) return value.map((entry, index) => sayOnce(entry, seen, `${name}[${index}]`))
  if (!isRecord(value)) return value
  const below = name === '' ? '' : `${name}.`
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) => [key, sayOnce(child, seen, `${below}${key}`)]),
  )
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
