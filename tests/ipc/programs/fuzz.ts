import { connect } from 'node:net'
import fc from 'fast-check'
import { sessionHello } from '../session-hello.ts'

// Opens one connection per case to the socket in argv[2] and says something on it. argv[3]: `hostile` or
// `polite` (the same number of well-formed connections), argv[4]: cases, argv[5]: seed.
const [, , path = '', mode = 'hostile', cases = '1000', seed = '1'] = process.argv

const EVENTS = [
  ...['hello', 'mcp', 'control', 'welcome', 'reply', 'refused', 'goodbye', '*', '', 'unknown'],
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', 'x'.repeat(300)],
  ...['start', 'connect', 'disconnect', 'destroy', 'close', 'socket.disconnected', 'error', 'data'],
]
const frame = (type: unknown, data: unknown) => `${JSON.stringify({ type, data })}\f`
const hello = () => frame('hello', sessionHello())

const value = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  fc.constantFrom('9'.repeat(400), -0, 1e308, null, [], {}, '\u0000', '\ud800'),
  fc
    .integer({ min: 1, max: 2000 })
    .map((depth) => JSON.parse('['.repeat(depth) + ']'.repeat(depth)) as unknown),
)
const rpc = fc.record(
  {
    jsonrpc: fc.oneof({ weight: 4, arbitrary: fc.constant('2.0') }, value),
    id: fc.oneof(fc.integer(), fc.string(), value),
    method: fc.oneof(fc.constantFrom('ping', 'tools/call', 'initialize', '__proto__', 'constructor'), value),
    params: fc.oneof(fc.constant({}), value),
    result: value,
    error: value,
  },
  { requiredKeys: [] },
)
const mutatedHello = fc
  .record(
    {
      role: value,
      protocol: value,
      connectionId: value,
      sessionId: value,
      pid: value,
      cwd: value,
      repoRoots: value,
    },
    { requiredKeys: [] },
  )
  .map((over) => frame('hello', { ...sessionHello(), ...over }))
const piece = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.constantFrom(
    '\f',
    '\f\f\f',
    '{',
    '{"type":"mcp"}\f',
    'null\f',
    '[]\f',
    '{"type":"__proto__","data":{}}\f',
  ),
  fc.tuple(fc.constantFrom(...EVENTS), value).map(([type, data]) => frame(type, data)),
  fc.tuple(value, value).map(([type, data]) => frame(type, data)),
  rpc.map((message) => frame('mcp', message)),
  mutatedHello,
  fc.constant(hello()),
)
const hostile = fc.record({
  greets: fc.boolean(),
  pieces: fc.array(piece, { minLength: 1, maxLength: 6 }),
  cut: fc.nat(),
  leaves: fc.constantFrom('end', 'destroy'),
})
const polite = fc.record({
  greets: fc.constant(true),
  pieces: fc.array(fc.constant(frame('mcp', { jsonrpc: '2.0', id: 1, method: 'ping' })), {
    minLength: 1,
    maxLength: 6,
  }),
  cut: fc.nat(),
  leaves: fc.constant<'end' | 'destroy'>('end'),
})

function play(one: typeof hostile extends fc.Arbitrary<infer T> ? T : never): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      const text = (one.greets ? hello() : '') + one.pieces.join('')
      const cut = one.cut % (text.length + 1)
      socket.write(text.slice(0, cut), () => {
        socket.write(text.slice(cut), () => {
          if (one.leaves === 'end') socket.end()
          else socket.destroy()
        })
      })
    })
    socket.on('error', () => undefined).resume()
    socket.on('close', () => resolve())
  })
}

await fc.assert(
  fc.asyncProperty(mode === 'polite' ? polite : hostile, async (one) => {
    await play(one)
  }),
  { numRuns: Number(cases), seed: Number(seed) },
)
console.log('done')
