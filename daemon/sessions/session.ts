import type { ClientProcess, SessionHello } from '../wire/hello.ts'

/** Enough of a session to know it again after a restart of the daemon. */
export interface SessionRef {
  /** Unique among the sessions of this daemon. */
  readonly key: string
  readonly sessionId: string
  readonly clientProcess: ClientProcess | null
}

/**
 * One agent conversation, whatever number of shim processes it has had.
 *   connected: at least one connection is open
 *   gone: the last connection closed, or the daemon restarted and it has not come back yet
 * Only the registry moves it, on hello and on close.
 */
export interface Session {
  readonly ref: SessionRef
  /** The latest hello; null for a session remembered from before a restart. */
  readonly hello: SessionHello | null
  readonly connections: ReadonlySet<string>
  /** ms since epoch of the first connection in this daemon's life, or of its start. */
  readonly connectedAt: number
  /** ms since epoch; null while connected. For people: a stepped wall clock must end no grace. */
  readonly goneAt: number | null
  /** The same moment on the monotonic clock (`performance.now()`), by which durations are measured. */
  readonly goneSince: number | null
}
