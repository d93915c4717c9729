/**
 * What shim, CLI and daemon agree on. The protocol version is not the product version: a shim of
 * one release talks to a daemon of another as long as their ranges overlap.
 */
export const PROTOCOL = { min: 1, max: 1 } as const

/** node-ipc event names on the socket. */
export const EVENT = {
  /** client → daemon, first message: `Hello` */
  hello: 'hello',
  /** daemon → client: `Welcome`; messages may flow */
  welcome: 'welcome',
  /** daemon → client, then the socket closes: `Refusal` */
  refused: 'refused',
  /**
   * both ways on a session connection: one JSON-RPC message, verbatim but for `WAITED_MS`. The daemon's requests
   * have ids that no other connection has, because a client answers to whichever daemon is there by then.
   */
  mcp: 'mcp',
  /** daemon → client before a planned end: the daemon drains and will be back or is gone for good */
  goodbye: 'goodbye',
  /** client → daemon on a control connection: `ControlRequest` */
  control: 'control',
  /** daemon → client: `ControlReply` */
  reply: 'reply',
} as const

export type EventName = (typeof EVENT)[keyof typeof EVENT]

/**
 * In `_meta` of a call that a shim could not send at once, or sends again: how long its client waits already, ms.
 * What the client allows a call in all does not begin anew with every daemon.
 */
export const WAITED_MS = 'scrum4me/waitedMs'

/** Largest frame on the socket, bytes (contract 7). */
export const MAX_FRAME_BYTES = 8 * 1024 * 1024
/** Largest MCP message: a frame less its envelope, bytes. */
export const MAX_MESSAGE_BYTES = MAX_FRAME_BYTES - 64
/** Requests that one connection may leave unanswered, and their bytes together. A shim stops at half of it. */
export const MAX_UNANSWERED = 1024
export const MAX_UNANSWERED_BYTES = 8 * MAX_FRAME_BYTES
/** Room for one frame and what stands before it in a socket's write buffer, bytes. */
export const MAX_PENDING_BYTES = MAX_FRAME_BYTES + 1024 * 1024
/** Longest path that every platform accepts for a Unix socket, bytes. */
export const MAX_SOCKET_PATH_BYTES = 103

export interface ProtocolRange {
  readonly min: number
  readonly max: number
}

/** Highest version both sides speak, or undefined. */
export function agree(ours: ProtocolRange, theirs: ProtocolRange): number | undefined {
  const version = Math.min(ours.max, theirs.max)
  return version >= Math.max(ours.min, theirs.min) ? version : undefined
}
