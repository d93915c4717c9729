import { DaemonError } from '../errors.ts'

/** The promise's own outcome, or `stopped` as soon as the signal aborts; leaves no listener behind. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  let onAbort = (): void => undefined
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(stopped(signal))
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** The error of work that ended because its signal said so. */
export function stopped(signal: AbortSignal): DaemonError {
  return new DaemonError(
    'WORKTREE_FAILED',
    'The work was called off before it was done; nothing was lost',
    'Ask again.',
    signal.reason,
  )
}
