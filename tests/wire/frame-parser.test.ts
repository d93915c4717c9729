import fc from 'fast-check'
import { type Frame, GuardedParser, IPCProtocolError } from 'node-ipc/parsers'
import { expect, test } from 'vitest'
import { FrameParser } from '../../daemon/wire/frame-parser.ts'
import { EVENT } from '../../daemon/wire/protocol.ts'

const limits = {
  delimiter: '\f',
  maxMessageSize: 4096,
  maxPendingBytes: 8192,
  maxEventNameLength: 256,
  messageTimeout: 0,
  allowReservedEvents: false,
}

/** What a parser makes of a text that arrives in these chunks: the frames, and the violation that ended it. */
function read(
  parser: GuardedParser,
  chunks: readonly string[],
): { frames: Frame[]; code: string | undefined; rest: unknown } {
  const frames: Frame[] = []
  let state: unknown = ''
  try {
    for (const chunk of chunks) state = parser.read(state, chunk, (frame) => frames.push(frame))
    return { frames, code: undefined, rest: state }
  } catch (error) {
    if (!(error instanceof IPCProtocolError)) throw error
    return { frames, code: error.code, rest: undefined }
  }
}

function cut(text: string, places: readonly number[]): string[] {
  const at = [...new Set(places.map((place) => place % (text.length + 1)))].sort((a, b) => a - b)
  return [0, ...at]
    .map((start, index) => text.slice(start, at[index] ?? text.length))
    .filter((chunk) => chunk !== '')
}

const event = fc.constantFrom(...Object.values(EVENT))
const frame = fc.tuple(event, fc.jsonValue()).map(([type, data]) => `${JSON.stringify({ type, data })}\f`)
const text = fc
  .array(
    fc.oneof(
      { weight: 8, arbitrary: frame },
      fc.string({ unit: 'binary', maxLength: 50 }),
      fc.constant('\f'),
    ),
  )
  .map((parts) => parts.join(''))

test('reads the same frames however they are cut, and the same as the stock parser does', () => {
  fc.assert(
    fc.property(text, fc.array(fc.nat()), (whole, places) => {
      const cutUp = read(new FrameParser(limits), cut(whole, places))
      const stock = read(new GuardedParser(limits), [whole])
      expect(cutUp.frames).toEqual(stock.frames)
      expect(cutUp.code).toBe(stock.code)
    }),
    { numRuns: 2_000 },
  )
})

test.each([
  ['unknown', 'ERR_IPC_EVENT_NOT_ALLOWED'],
  ['__proto__', 'ERR_IPC_INVALID_EVENT'],
  ['constructor', 'ERR_IPC_INVALID_EVENT'],
  ['close', 'ERR_IPC_RESERVED_EVENT'],
  [7, 'ERR_IPC_INVALID_EVENT'],
])('refuses the event %j', (type, code) => {
  expect(read(new FrameParser(limits), [`${JSON.stringify({ type })}\f`])).toMatchObject({ frames: [], code })
})

test('refuses a frame over the limit before its end has come, counted in bytes', () => {
  const half = 'ë'.repeat(1_100)
  const parser = new FrameParser(limits)
  expect(read(parser, [half]).code).toBeUndefined()
  expect(read(parser, [half, half]).code).toBe('ERR_IPC_FRAME_TOO_LARGE')
})

test('reads a long frame in linear time', () => {
  const wide = { ...limits, maxMessageSize: 64 * 1024 * 1024 }
  const time = (chunks: number) => {
    const body = 'x'.repeat(1024)
    const all = ['{"type":"mcp","data":"', ...Array.from({ length: chunks }, () => body), '"}\f']
    const begun = performance.now()
    expect(read(new FrameParser(wide), all).frames).toHaveLength(1)
    return performance.now() - begun
  }
  time(2_000)
  const small = Math.min(time(2_000), time(2_000), time(2_000))
  const large = Math.min(time(16_000), time(16_000), time(16_000))
  // 8 times the chunks: quadratic reading takes 64 times as long.
  expect(large / small).toBeLessThan(30)
})
