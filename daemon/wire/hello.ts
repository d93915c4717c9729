import type { ProtocolRange } from './protocol.ts'

/** The agent's process: pid and start time, which together name one process for good. */
export interface ClientProcess {
  readonly pid: number
  /** Opaque; equal for the same process. Linux: start time in clock ticks since boot; else `ps` lstart. */
  readonly startedAt: string
}

export interface SessionHello {
  readonly role: 'session'
  readonly protocol: ProtocolRange
  readonly version: string
  /** Random id of this shim process; with a request id it is the key of at-most-once calls. */
  readonly connectionId: string
  /** One agent conversation: `CLAUDE_CODE_SESSION_ID`, else an id of the shim process. */
  readonly sessionId: string
  readonly pid: number
  readonly clientProcess: ClientProcess | null
  readonly clientName: string | null
  readonly clientVersion: string | null
  readonly cwd: string
  /** product id → absolute path, from `SCRUM4ME_REPO_ROOT_*` of the shim's environment. */
  readonly repoRoots: Readonly<Record<string, string>>
  readonly sshAuthSock: string | null
}

export interface ControlHello {
  readonly role: 'control'
  readonly protocol: ProtocolRange
  readonly version: string
  readonly pid: number
}

export type Hello = SessionHello | ControlHello

export interface Welcome {
  readonly protocol: number
  readonly version: string
  readonly pid: number
  /** Changes when the tools this daemon serves change; the shim then announces `list_changed`. */
  readonly catalog: string
}

export interface Refusal {
  readonly code: 'PROTOCOL_MISMATCH' | 'VALIDATION_ERROR'
  readonly message: string
  readonly remedy: string
}

export interface Goodbye {
  /** `restart`: reconnect, the next daemon takes over; `stop`: nobody comes back by itself. */
  readonly reason: 'restart' | 'stop'
}
