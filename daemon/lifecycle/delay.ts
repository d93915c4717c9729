/** Resolves after `ms`, or at once when the signal aborts; never rejects, leaves no timer behind. */
export function delay(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done, { once: true })
  })
}

/** Full-jitter exponential backoff, ms: somewhere in (0, min(cap, base * 2^attempt)]. */
export function backoff(attempt: number, baseMs: number, capMs: number, random = Math.random): number {
  return Math.ceil(random() * Math.min(capMs, baseMs * 2 ** Math.min(attempt, 30)))
}
