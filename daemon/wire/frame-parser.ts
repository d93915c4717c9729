import { type Frame, GuardedParser, IPCProtocolError } from 'node-ipc/parsers'
import { EVENT } from './protocol.ts'

const EVENTS: ReadonlySet<unknown> = new Set(Object.values(EVENT))

/** A frame whose delimiter has not arrived yet. A new frame is a new object. */
export class HalfFrame {
  readonly parts: string[] = []
  bytes = 0

  add(chunk: string): void {
    this.parts.push(chunk)
    this.bytes += Buffer.byteLength(chunk)
  }
}

/**
 * node-ipc's guarded parser with two changes: a long frame is read in linear time (the stock parser
 * joins and searches it anew with every chunk), and only the events of our protocol are let through,
 * so that an unknown event is a violation instead of silence.
 */
export class FrameParser extends GuardedParser {
  /** Bytes of the frame that is being dispatched; dispatch is synchronous. */
  frameBytes = 0

  override read(state: unknown, chunk: string, receive: (frame: Frame) => void): unknown {
    let half = state instanceof HalfFrame ? state : undefined
    let start = 0
    for (;;) {
      const end = chunk.indexOf('\f', start)
      if (end === -1) break
      let text = chunk.slice(start, end)
      if (half !== undefined) {
        half.parts.push(text)
        text = half.parts.join('')
        half = undefined
      }
      this.frameBytes = Buffer.byteLength(text)
      this.assertFrameSize(text.length, this.frameBytes)
      receive(this.decodeMessage(text))
      start = end + 1
    }
    if (start === chunk.length) return half ?? ''
    half ??= new HalfFrame()
    half.add(start === 0 ? chunk : chunk.slice(start))
    this.assertFrameSize(half.bytes, half.bytes)
    return half
  }

  override validateType(type: unknown): void {
    super.validateType(type)
    if (!EVENTS.has(type)) {
      throw new IPCProtocolError(
        'ERR_IPC_EVENT_NOT_ALLOWED',
        `"${String(type)}" is no event of this protocol`,
      )
    }
  }
}
