import type { ToolContext } from './context.ts'

/** Half of the contract's 15 s: on a machine under load a timer and two hops may take seconds. */
const PROGRESS_MS = 7_500

/** Runs something long and sends progress now and then, at least every 15 s, until it ends. */
export async function whileWaiting<T>(
  context: Pick<ToolContext, 'progress'>,
  what: string,
  work: () => Promise<T>,
  everyMs = PROGRESS_MS,
): Promise<T> {
  const begin = performance.now()
  const timer = setInterval(() => {
    context.progress(`${what}, ${Math.round((performance.now() - begin) / 1_000)} s so far.`)
  }, everyMs)
  try {
    return await work()
  } finally {
    clearInterval(timer)
  }
}
