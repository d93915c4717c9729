import { delay } from '../lifecycle/delay.ts'

/** `status` answers within 300 ms, whatever a database, a disk or git does. */
const PATIENCE_MS = 150

/** Resolves when `work` has ended, or when `status` can wait no longer; the work goes on. Rejects when it does. */
export async function patiently(work: Promise<unknown>): Promise<void> {
  const ended = new AbortController()
  await Promise.race([work, delay(PATIENCE_MS, ended.signal)])
  ended.abort()
}
