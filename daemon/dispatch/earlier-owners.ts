import type { ClaimRecord } from '../jobs/claim-record.ts'

/** Sessions remembered of those that a claim was offered to in vain. */
const MAX_EARLIER = 8

/**
 * Who besides the next owner may have received the job and may report on it. Once the owner has surely received it,
 * it is nobody else's any more.
 */
export function earlierOwners(claim: ClaimRecord): ClaimRecord['earlier'] {
  const { owner, earlier, delivered, worked } = claim
  if (owner === null || !(delivered || worked)) return earlier
  if (delivered) return [owner]
  return [owner, ...earlier.filter(({ key }) => key !== owner.key)].slice(0, MAX_EARLIER)
}
