import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { SessionHello } from '../wire/hello.ts'

/** Why a connection ended; the one that came first. */
export interface CloseReason {
  /**
   * gone: the peer closed it or vanished · dropped: it broke a rule or read too slowly ·
   * closed: its owner here closed it · stopped: the endpoint stops
   */
  readonly kind: 'gone' | 'dropped' | 'closed' | 'stopped'
  readonly detail: string
}

/** One shim's connection, welcomed. A session may have several, one after another or at once. */
export interface SessionConnection {
  readonly hello: SessionHello
  /**
   * For the MCP SDK's server. `send` resolves when the kernel has the message (a progress or log
   * notification to a slow reader may be dropped instead) and rejects when the connection ended first.
   * What arrives before `start()` waits.
   */
  readonly transport: Transport
  readonly closed: Promise<CloseReason>
  close(detail: string): void
}
