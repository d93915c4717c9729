import type { Goodbye, Welcome } from '../daemon/wire/hello.ts'

/** What the relay needs of the connection to the daemon. */
export interface Upstream {
  /** One message as JSON; only between `welcomed` and `disconnected`. */
  send(json: string): void
  /** True while the daemon reads more slowly than the client writes. */
  readonly congested: boolean
  /** True while the daemon that is there speaks another protocol. */
  readonly refused: boolean
  /** A call waits for a daemon: do not wait with the next attempt. */
  wanted(): void
  /** Why no daemon answers, as `CODE: sentence. Remedy.` */
  unreachable(): string
}

/** What the connection tells the relay. */
export interface UpstreamEvents {
  /** True while calls wait for a daemon. */
  readonly isWaiting: boolean
  welcomed(welcome: Welcome): void
  received(json: string): void
  goodbye(goodbye: Goodbye): void
  /** The daemon speaks another protocol; `upstream.unreachable` says so. */
  refused(): void
  disconnected(): void
}
