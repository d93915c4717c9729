import type { Socket } from 'node:net'

/** Bytes handed to the socket at a time; the rest waits here, where it can still be dropped. */
const WINDOW_BYTES = 1024 * 1024

interface Item {
  readonly frame: string
  readonly bytes: number
  readonly droppable: boolean
  written(): void
  failed(error: Error): void
}

/**
 * What waits to be written to one peer, bounded in bytes. A peer that reads slowly first loses
 * droppable frames, then its connection; nobody else notices.
 */
export class OutboundQueue {
  readonly #socket: Socket
  readonly #maxBytes: number
  readonly #overflow: () => void
  readonly #waiting = new Set<Item>()
  readonly #inSocket = new Set<Item>()
  #bytes = 0
  #closed: Error | undefined
  #idle: (() => void)[] = []

  constructor(socket: Socket, maxBytes: number, overflow: () => void) {
    this.#socket = socket
    this.#maxBytes = maxBytes
    this.#overflow = overflow
  }

  /** Bytes not yet taken by the kernel. */
  get bytes(): number {
    return this.#bytes
  }

  /** Resolves when the kernel has the frame, or a droppable frame was dropped; rejects when the connection ends first. */
  push(frame: string, droppable: boolean): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed)
    const bytes = Buffer.byteLength(frame)
    return new Promise((written, failed) => {
      if (!this.#makeRoom(bytes)) {
        if (droppable) return written()
        failed(new Error('the peer reads too slowly'))
        return this.#overflow()
      }
      this.#bytes += bytes
      this.#waiting.add({ frame, bytes, droppable, written, failed })
      this.#pump()
    })
  }

  /** Resolves when nothing waits any more. */
  drained(): Promise<void> {
    if (this.#bytes === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  /** The connection is over: whatever still waits fails. */
  close(error: Error): void {
    this.#closed ??= error
    for (const item of [...this.#inSocket, ...this.#waiting]) item.failed(error)
    this.#inSocket.clear()
    this.#waiting.clear()
    this.#settle(this.#bytes)
  }

  #pump(): void {
    for (const item of this.#waiting) {
      const ahead = this.#socket.writableLength
      if (ahead > 0 && ahead + item.bytes > WINDOW_BYTES) return
      this.#waiting.delete(item)
      this.#inSocket.add(item)
      this.#socket.write(item.frame, (error) => {
        // On an error the socket closes, and close() fails this item with the connection's reason.
        if (error || !this.#inSocket.delete(item)) return
        item.written()
        this.#settle(item.bytes)
        this.#pump()
      })
    }
  }

  #makeRoom(bytes: number): boolean {
    if (this.#bytes + bytes <= this.#maxBytes) return true
    for (const item of this.#waiting) {
      if (!item.droppable) continue
      this.#waiting.delete(item)
      this.#settle(item.bytes)
      item.written()
    }
    return this.#bytes + bytes <= this.#maxBytes
  }

  #settle(bytes: number): void {
    this.#bytes -= bytes
    if (this.#bytes > 0) return
    const idle = this.#idle
    this.#idle = []
    for (const resolve of idle) resolve()
  }
}
