/** What is notified on `scrum4me_changes`: ids only. Fields beside `type` are whatever the sender put there. */
export interface Change {
  readonly type: string
  readonly [field: string]: unknown
}

/** The channel of every Scrum4Me program on one database. */
export const CHANGES_CHANNEL = 'scrum4me_changes'

/** A notification's payload; undefined for what is not ours to understand. */
export function parseChange(payload: string): Change | undefined {
  // Most of what strangers send is not even an object; that much costs nothing to see.
  if (payload[0] !== '{') return undefined
  try {
    const parsed: unknown = JSON.parse(payload)
    return isChange(parsed) ? parsed : undefined
  } catch {
    return undefined
  }
}

function isChange(value: unknown): value is Change {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}
