const MAX_DEPTH = 64
const MAX_JSON = 100_000

/** Why PostgreSQL could not store this text, or undefined. */
export function inspectText(value: string): string | undefined {
  return value.includes('\u0000') ? 'must not contain a NUL character' : undefined
}

/** Why a `jsonb` column could not store this parsed JSON value, or undefined. */
export function inspectJson(value: unknown, maxLength = MAX_JSON): string | undefined {
  const fault = inspectNode(value, 0)
  if (fault !== undefined) return fault
  return JSON.stringify(value).length > maxLength
    ? `must be at most ${maxLength.toLocaleString('en')} characters of JSON`
    : undefined
}

function inspectNode(value: unknown, depth: number): string | undefined {
  if (typeof value === 'string') return inspectString(value)
  if (typeof value !== 'object' || value === null) return undefined
  if (depth >= MAX_DEPTH) return `must not be nested deeper than ${MAX_DEPTH} levels`
  for (const [key, child] of Object.entries(value)) {
    const fault = inspectString(key) ?? inspectNode(child, depth + 1)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** Unlike a text column, jsonb also refuses half a surrogate pair. */
function inspectString(value: string): string | undefined {
  return inspectText(value) ?? (/\p{Surrogate}/u.test(value) ? 'must be well-formed Unicode' : undefined)
}
