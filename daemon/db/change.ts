/**
 * What is notified on `scrum4me_changes`: ids only. Jobs and workers say a `type`; other senders name
 * their change otherwise, so every field is whatever the sender put there.
 */
export type Change = Readonly<Record<string, unknown>>

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
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
