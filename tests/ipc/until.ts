import { delay } from '../../daemon/lifecycle/delay.ts'

/** Polls until the condition holds; fails after `ms` naming what did not come. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  ms = 30_000,
): Promise<void> {
  const deadline = performance.now() + ms
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${ms} ms`)
    await delay(10)
  }
}
