import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { DeliveryTap } from '../../daemon/mcp/delivery-tap.ts'

/** One end of a pipe, in memory: what the SDK's server would stand on. */
class Pipe implements Transport {
  onmessage?: Transport['onmessage']
  onclose?: (() => void) | undefined
  onerror?: ((error: Error) => void) | undefined
  readonly sent: JSONRPCMessage[] = []
  async start(): Promise<void> {}
  /** A peer that takes nothing any more. */
  isFull = false
  async send(message: JSONRPCMessage): Promise<void> {
    if (this.isFull) await new Promise(() => undefined)
    this.sent.push(message)
  }
  async close(): Promise<void> {
    this.onclose?.()
  }
}

const answer: JSONRPCMessage = { jsonrpc: '2.0', id: 7, result: {} }
const cancelled = (requestId: number): JSONRPCMessage => ({
  jsonrpc: '2.0',
  method: 'notifications/cancelled',
  params: { requestId },
})

describe('DeliveryTap', () => {
  let pipe: Pipe
  let tap: DeliveryTap
  let outcome: string
  let pong: () => void
  let noPong: () => void
  let isLeaving: boolean

  beforeEach(async () => {
    vi.useFakeTimers()
    pipe = new Pipe()
    isLeaving = false
    tap = new DeliveryTap(pipe, () => isLeaving)
    tap.usePing(
      () =>
        new Promise((resolve, reject) => {
          pong = () => resolve(undefined)
          noPong = () => reject(new Error('no answer'))
        }),
    )
    await tap.start()
    outcome = 'open'
    void tap.expect(7).then((told) => {
      outcome = told
    })
  })

  afterEach(() => vi.useRealTimers())

  const settle = () => vi.advanceTimersByTimeAsync(0)

  it('cancelled before the answer was written: not received', async () => {
    pipe.onmessage?.(cancelled(7))
    await settle()
    expect(outcome).toBe('not received')
  })

  it('closed before the answer was written: not received', async () => {
    await pipe.close()
    await settle()
    expect(outcome).toBe('not received')
  })

  it('closed while the answer could not leave: not received', async () => {
    pipe.isFull = true
    void tap.send(answer)
    await settle()
    await pipe.close()
    await settle()
    expect(outcome).toBe('not received')
  })

  it('a message that came before the answer says nothing of it', async () => {
    pipe.onmessage?.({ jsonrpc: '2.0', id: 8, method: 'tools/list' })
    await settle()
    expect(outcome).toBe('open')
    await tap.send(answer)
    noPong()
    await settle()
    await pipe.close()
    await settle()
    expect(outcome).toBe('unsure')
  })

  it('closed because this daemon ends: left open, whether it was written or not', async () => {
    let unwritten = ''
    void tap.expect('eight').then((told) => {
      unwritten = told
    })
    await tap.send(answer)
    isLeaving = true
    await pipe.close()
    await settle()
    expect([outcome, unwritten]).toEqual(['left open', 'left open'])
  })

  it('cancelled within two seconds of the answer: not received; another call’s cancellation says nothing', async () => {
    await tap.send(answer)
    await vi.advanceTimersByTimeAsync(1_900)
    pipe.onmessage?.(cancelled(6))
    await settle()
    expect(outcome).toBe('open')
    pipe.onmessage?.(cancelled(7))
    await settle()
    expect(outcome).toBe('not received')
  })

  it('an id may be a text', async () => {
    void tap.expect('eight').then((told) => {
      outcome = told
    })
    pipe.onmessage?.({ ...cancelled(8), params: { requestId: 'eight' } })
    await settle()
    expect(outcome).toBe('not received')
  })

  it('two seconds later it counts as received, and a cancellation changes nothing', async () => {
    await tap.send(answer)
    await vi.advanceTimersByTimeAsync(2_001)
    pipe.onmessage?.(cancelled(7))
    await settle()
    expect(outcome).toBe('received')
  })

  it('any other message of the client ends the time in which a cancellation counts', async () => {
    await tap.send(answer)
    pipe.onmessage?.({ jsonrpc: '2.0', id: 8, method: 'tools/list' })
    pipe.onmessage?.(cancelled(7))
    await settle()
    expect(outcome).toBe('received')
  })

  it('closed right after the answer: unsure, unless the client had answered a ping sent behind it', async () => {
    await tap.send(answer)
    await pipe.close()
    await settle()
    expect(outcome).toBe('unsure')

    void tap.expect(9).then((told) => {
      outcome = told
    })
    await tap.send({ ...answer, id: 9 })
    pong()
    await settle()
    await pipe.close()
    await settle()
    expect(outcome).toBe('received')
  })

  it('passes every message on, both ways', async () => {
    const received: JSONRPCMessage[] = []
    tap.onmessage = (message) => received.push(message)
    pipe.onmessage?.(cancelled(1))
    await tap.send(answer)
    expect(received).toEqual([cancelled(1)])
    expect(pipe.sent).toEqual([answer])
  })
})
