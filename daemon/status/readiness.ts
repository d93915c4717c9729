import type { Backend } from '../backend/backend.ts'
import type { Listener } from '../db/listener.ts'
import type { Presence } from '../presence/presence.ts'

/** Longer than the first heartbeat and proving LISTEN take on connections that work, ms. */
const SETTLING_MS = 3_000

export interface Beginnings {
  readonly backend: Pick<Backend, 'everUp' | 'problem' | 'state' | 'upMs'>
  readonly listener: Pick<Listener, 'state'>
  readonly presence: Pick<Presence, 'lastBeatAt'>
  /** How long presence has been wanted, ms; 0 while it is not. */
  wantedMs(): number
}

/** Before the first try has ended, and right after it until this machine is present and LISTEN is proven. */
export function isStarting({ backend, listener, presence, wantedMs }: Beginnings): boolean {
  if (!backend.everUp) return backend.problem === null
  if (backend.state !== 'up' || backend.upMs >= SETTLING_MS) return false
  return listener.state === 'reconnecting' || (wantedMs() > 0 && presence.lastBeatAt === null)
}

/** Heartbeat and LISTEN have only just been begun: that they are not there yet is no complaint. */
export function isSettling({ backend, wantedMs }: Pick<Beginnings, 'backend' | 'wantedMs'>): boolean {
  return Math.min(backend.upMs, wantedMs()) < SETTLING_MS
}
