import { delay } from '../../daemon/lifecycle/delay.ts'

/** Waits until `condition` returns something truthy and returns it; fails after `deadlineMs`, saying what was awaited. */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  deadlineMs = 30_000,
): Promise<Exclude<T, false | undefined | null | 0 | ''>> {
  const end = performance.now() + deadlineMs
  for (;;) {
    const asked = performance.now()
    const value = await condition()
    if (isTruthy(value)) return value
    const now = performance.now()
    if (now > end) throw new Error(`Waited ${deadlineMs} ms in vain: ${what}`)
    // Some look by starting a process, which is to keep no core busy while others need it.
    await delay(Math.max(20, now - asked))
  }
}

function isTruthy<T>(value: T): value is Exclude<T, false | undefined | null | 0 | ''> {
  return Boolean(value)
}
