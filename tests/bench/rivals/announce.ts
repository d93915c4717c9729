import { sharedNow } from '../world/clock.ts'

/** Tells the bench that started this program: ready, or when a job began (on the clock that both share). */
export function announce(what: 'ready' | 'started'): void {
  const at = sharedNow()
  process.send?.({ what, at })
}

/** The bench is gone, or wants this program to end. */
export function endWithParent(): void {
  process.on('disconnect', () => process.exit(0))
}
