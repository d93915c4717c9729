import type { Backlog } from '../backlog/backlog.ts'

/** What a tool call may use: the services behind it and the session that called. */
export interface ToolContext {
  /** Checks the token and gives access to the backlog as its user; throws UNAUTHORIZED or DATABASE_UNAVAILABLE. */
  backlog(): Promise<Backlog>
  /** Aborts when the client cancels the call or its connection closes. */
  readonly signal: AbortSignal
  /** Sends an MCP progress notification if the client asked for progress; never throws. */
  progress(message: string): void
}
