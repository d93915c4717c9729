import { dial, type Line } from '../../daemon/wire/dial.ts'
import type { Hello } from '../../daemon/wire/hello.ts'
import { sessionHello } from './session-hello.ts'

/** A client that says exactly what a test tells it to. */
export class RawPeer {
  readonly received: { event: string; data: unknown }[] = []
  readonly closed: Promise<Error | undefined>
  readonly connected: Promise<void>
  isClosed = false
  readonly #line: Line
  #pings = 0
  #waiting: (() => void)[] = []

  constructor(path: string) {
    let connected: () => void = () => undefined
    this.connected = new Promise((resolve) => {
      connected = resolve
    })
    let closed: (error: Error | undefined) => void = () => undefined
    this.closed = new Promise((resolve) => {
      closed = resolve
    })
    this.#line = dial(path, {
      connected,
      received: (event, data) => {
        this.received.push({ event, data })
        this.#wake()
      },
      closed: (error) => {
        this.isClosed = true
        closed(error)
        this.#wake()
      },
    })
  }

  static async greeted(path: string, hello: Hello = sessionHello()): Promise<RawPeer> {
    const peer = new RawPeer(path)
    await peer.connected
    peer.raw(peer.#line.encode('hello', hello))
    await peer.event('welcome')
    return peer
  }

  get socket() {
    return this.#line.socket
  }

  raw(text: string): void {
    this.#line.socket.write(text)
  }

  send(event: 'hello' | 'mcp' | 'control', data: unknown): void {
    this.raw(this.#line.encode(event, data))
  }

  /** Asks for a ping and resolves with the time it took, ms. */
  async ping(): Promise<number> {
    const id = `ping-${this.#pings++}`
    const begun = performance.now()
    const answered = this.event('mcp', this.received.filter(({ event }) => event === 'mcp').length)
    this.send('mcp', { jsonrpc: '2.0', id, method: 'ping' })
    await answered
    return performance.now() - begun
  }

  /** Data of the n-th event of this name. */
  async event(name: string, nth = 0): Promise<unknown> {
    for (;;) {
      const found = this.received.filter(({ event }) => event === name)[nth]
      if (found !== undefined) return found.data
      if (this.isClosed) throw new Error(`closed before "${name}"`)
      await new Promise<void>((wake) => this.#waiting.push(wake))
    }
  }

  close(): void {
    this.#line.close()
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }
}
