import { delay } from './delay.ts'

/** What the work resolves with; `late` when that takes more than `ms`: it goes on, and what it throws then is lost. */
export async function inTime<T>(work: Promise<T>, ms: number): Promise<T | 'late'> {
  const over = new AbortController()
  const late = delay(Math.max(0, ms), over.signal).then(() => 'late' as const)
  work.catch(() => undefined)
  return Promise.race([work, late]).finally(() => over.abort())
}
