import { Socket } from 'node:net'
import { delay } from '../lifecycle/delay.ts'

/**
 * The sockets under a pool's or a client's connections. node-postgres ends a connection politely and waits
 * for the other side; on a dead link that takes minutes, so whoever closes keeps the means to cut.
 */
export class Sockets {
  readonly #open = new Set<Socket>()

  /** For the `stream` option of a client: makes the socket it will connect. */
  readonly make = (): Socket => {
    const socket = new Socket()
    this.#open.add(socket)
    socket.once('close', () => this.#open.delete(socket))
    return socket
  }

  /** Waits for `ending`, but cuts what is still open after `graceMs`. Never rejects. */
  async endWithin(graceMs: number, ending: Promise<unknown>): Promise<void> {
    const stop = new AbortController()
    const polite = ending.catch(() => undefined).finally(() => stop.abort())
    await delay(graceMs, stop.signal)
    if (stop.signal.aborted) return
    for (const socket of this.#open) socket.destroy()
    // What waits for a socket's end goes on now; what waits for something else is not waited for.
    await Promise.race([polite, delay(graceMs)])
  }
}
