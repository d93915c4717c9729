import type { Terminal } from './terminal.ts'

/**
 * For commands that go on until ^C: runs `work` with a signal that aborts on SIGINT, SIGTERM, or when nobody
 * reads any more.
 */
export async function untilInterrupted<T>(
  { closed }: Pick<Terminal, 'closed'>,
  work: (ended: AbortSignal) => Promise<T>,
): Promise<T> {
  const ended = new AbortController()
  const end = () => ended.abort()
  process.once('SIGINT', end).once('SIGTERM', end)
  closed.addEventListener('abort', end, { once: true })
  try {
    return await work(ended.signal)
  } finally {
    process.off('SIGINT', end).off('SIGTERM', end)
    closed.removeEventListener('abort', end)
  }
}
