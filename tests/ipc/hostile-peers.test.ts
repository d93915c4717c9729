import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { delay } from '../../daemon/lifecycle/delay.ts'
import type { Paths } from '../../daemon/paths.ts'
import { until } from '../support/until.ts'
import { holders, programFile } from './holder.ts'
import { RawPeer } from './raw-peer.ts'
import { Program } from './run-program.ts'
import { sessionHello } from './session-hello.ts'
import { tempHome } from './temp-home.ts'
import { type TestEndpointOptions, testEndpoint } from './test-endpoint.ts'

const holder = holders()
const fuzz = programFile('fuzz')
const cases = process.env.SCRUM4ME_TEST_LONG === '1' ? 50_000 : 5_000

async function memoryOf(peer: RawPeer): Promise<number> {
  const answers = peer.received.filter(({ event }) => event === 'mcp').length
  peer.send('mcp', { jsonrpc: '2.0', id: `m${answers}`, method: 'tools/call', params: { name: 'memory' } })
  const answer = (await peer.event('mcp', answers)) as { result: { content: [{ text: string }] } }
  return Number(answer.result.content[0].text)
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

/** Times of pings made while the fuzzer ran, ms. */
async function pingBeside(
  paths: Paths,
  mode: 'hostile' | 'polite',
  count: number,
  seed: number,
): Promise<number[]> {
  const peer = await RawPeer.greeted(paths.socket)
  const fuzzer = new Program(process.execPath, [fuzz.file, paths.socket, mode, String(count), String(seed)])
  let done = false
  const finished = fuzzer.exited.then((code) => {
    done = true
    return code
  })
  const times: number[] = []
  while (!done) {
    times.push(await peer.ping())
    await delay(2)
  }
  expect(await finished).toBe(0)
  peer.close()
  return times
}

test(`${cases} fuzzed connections: nobody else waits, memory stays flat`, async () => {
  const paths = await tempHome()
  const daemon = holder.start(paths)
  await daemon.line(/^serving/)
  const seed = Math.floor(Math.random() * 2 ** 31)
  console.log(`fuzz seed ${seed}`)
  const peer = await RawPeer.greeted(paths.socket)
  await pingBeside(paths, 'hostile', cases / 5, seed)
  const warm = await memoryOf(peer)
  const control: number[] = []
  const beside: number[] = []
  // In turns, so that what else runs on this machine hits both alike.
  for (let turn = 1; turn <= 3; turn += 1) {
    control.push(...(await pingBeside(paths, 'polite', Math.ceil(cases / 15), seed + turn)))
    beside.push(...(await pingBeside(paths, 'hostile', Math.ceil((cases * 4) / 15), seed + turn)))
  }
  const grown = (await memoryOf(peer)) - warm
  expect(median(beside) / median(control)).toBeLessThan(2)
  expect(grown).toBeLessThan(48 * 1024 * 1024)
}, 600_000)

async function started(options: TestEndpointOptions = {}) {
  const paths = await tempHome()
  const made = testEndpoint(paths, options)
  await made.endpoint.start()
  onTestFinished(() => made.endpoint.stop())
  return { paths, ...made, neighbour: await RawPeer.greeted(paths.socket) }
}

const mcp = (data: object) => `${JSON.stringify({ type: 'mcp', data })}\f`
const rpc = (over: object) => mcp({ jsonrpc: '2.0', ...over })

test.each([
  ['no JSON', 'nonsense\f', 'not valid JSON'],
  ['no object', '[]\f', 'must be a JSON object'],
  ['an unknown event', '{"type":"upgrade","data":1}\f', '\\"upgrade\\" is no event'],
  ['a prototype name', '{"type":"__proto__","data":1}\f', 'not safe'],
  ['a reserved event', '{"type":"connect","data":1}\f', 'reserved'],
  ['a wildcard event', '{"type":"*","data":1}\f', 'is no event'],
  ["the daemon's own event", '{"type":"goodbye","data":{"reason":"stop"}}\f', 'out of turn'],
  ['a second hello', `${JSON.stringify({ type: 'hello', data: sessionHello() })}\f`, 'out of turn'],
  ['a control request', '{"type":"control","data":{"id":1,"method":"stop"}}\f', 'out of turn'],
  ['a message that is no JSON-RPC', mcp({ jsonrpc: '1.0', id: 1, method: 'ping' }), 'malformed JSON-RPC'],
  ['an id of a wrong type', rpc({ id: { a: 1 }, method: 'ping' }), 'malformed JSON-RPC'],
  ['parameters of a wrong type', rpc({ id: 1, method: 'ping', params: [] }), 'malformed JSON-RPC'],
  ['an oversized frame', 'x'.repeat(8 * 1024 * 1024 + 1), 'exceeds maxMessageSize'],
])('%s: dropped, with the reason logged, and nobody else notices', async (_name, text, reason) => {
  const { paths, log, neighbour, sessions } = await started()
  const peer = await RawPeer.greeted(paths.socket)
  peer.raw(text)
  await peer.closed
  await until('the drop is logged', () => log.join('\n').includes(reason))
  expect(await sessions[1]?.closed).toMatchObject({ kind: 'dropped' })
  await neighbour.ping()
})

test('frames behind the one a peer was dropped for have no effect', async () => {
  const { paths, calls, neighbour } = await started()
  const peer = await RawPeer.greeted(paths.socket)
  peer.raw(`${mcp({ nonsense: true })}${rpc({ id: 1, method: 'tools/call', params: { name: 'echo' } })}`)
  await peer.closed
  await neighbour.ping()
  expect(calls).toEqual([])
})

test('no hello in time, and a frame left half sent: dropped', async () => {
  const { paths, log, neighbour } = await started({ limits: { tickMs: 20, helloTicks: 5, frameTicks: 5 } })
  const silent = new RawPeer(paths.socket)
  const half = await RawPeer.greeted(paths.socket)
  half.raw('{"type":"mcp","data":{"half":')
  await Promise.all([silent.closed, half.closed])
  expect(log.join('\n')).toMatch(/sent no hello in time/)
  expect(log.join('\n')).toMatch(/left a message half sent/)
  await neighbour.ping()
})

test('a busy connection whose frames never pause is not taken for a half-sent one', async () => {
  const { neighbour } = await started({ limits: { tickMs: 20, frameTicks: 5 } })
  const [head, tail] = ['{"type":"mcp","data":{"jsonrpc":"2.0",', '"method":"notifications/x"}}\f']
  neighbour.raw(head)
  for (let turn = 0; turn < 20; turn += 1) {
    await delay(20)
    neighbour.raw(tail + head)
  }
  neighbour.raw(tail)
  await neighbour.ping()
})

test('a daemon that was stopped forgives the time it missed itself', async () => {
  const paths = await tempHome()
  const daemon = holder.start(paths, { TEST_TICK_MS: '100' })
  await daemon.line(/^serving/)
  const peer = await RawPeer.greeted(paths.socket)
  peer.raw('{"type":"mcp","data":')
  await delay(300)
  daemon.child.kill('SIGSTOP')
  // Longer than the 30 ticks that a frame may take.
  await delay(3_500)
  daemon.child.kill('SIGCONT')
  peer.raw('{"jsonrpc":"2.0","id":1,"method":"ping"}}\f')
  await peer.event('mcp')
})

test('a flood of unanswered calls is cut off', async () => {
  const { paths, log, neighbour } = await started()
  const peer = await RawPeer.greeted(paths.socket)
  for (let id = 0; id < 2_000; id += 1) peer.raw(rpc({ id, method: 'tools/call', params: { name: 'wait' } }))
  await peer.closed
  expect(log.join('\n')).toMatch(/too many unanswered requests/)
  await neighbour.ping()
})

test('calls that were cancelled do not count as unanswered', async () => {
  const { neighbour } = await started()
  for (let id = 0; id < 3_000; id += 1) {
    neighbour.raw(rpc({ id: `w${id}`, method: 'tools/call', params: { name: 'wait' } }))
    neighbour.raw(rpc({ method: 'notifications/cancelled', params: { requestId: `w${id}` } }))
  }
  await neighbour.ping()
})

test('a reader that stops reading is bounded and dropped, and its neighbour is answered all the while', async () => {
  const { paths, sessions, log, neighbour } = await started()
  await RawPeer.greeted(paths.socket).then((peer) => {
    peer.socket.pause()
    onTestFinished(() => peer.close())
  })
  const slow = sessions[1]
  let dropped = false
  void slow?.closed.then(() => {
    dropped = true
  })
  const text = 'x'.repeat(1024 * 1024)
  const sends: Promise<unknown>[] = []
  const before = process.memoryUsage().rss
  for (let count = 0; count < 300 && !dropped; count += 1) {
    const message = { jsonrpc: '2.0' as const, method: 'notifications/x', params: { text } }
    sends.push(slow?.transport.send(message).catch(() => undefined) ?? Promise.resolve())
    await neighbour.ping()
  }
  expect(dropped).toBe(true)
  await Promise.all(sends)
  expect(sends.length).toBeLessThan(60)
  expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024)
  expect(log.join('\n')).toMatch(/reads too slowly/)
})

test('to a slow reader progress is dropped before answers are', async () => {
  const { paths, sessions } = await started()
  const peer = await RawPeer.greeted(paths.socket)
  peer.socket.pause()
  const [, slow] = sessions
  const send = (message: Parameters<NonNullable<typeof slow>['transport']['send']>[0]) =>
    slow?.transport.send(message) ?? Promise.resolve()
  const text = 'x'.repeat(512 * 1024)
  const progress = { method: 'notifications/progress', params: { progressToken: 1, progress: 1, text } }
  const sends: Promise<void>[] = []
  for (let count = 0; count < 100; count += 1) sends.push(send({ jsonrpc: '2.0', ...progress }))
  for (let id = 0; id < 20; id += 1) sends.push(send({ jsonrpc: '2.0', id, result: { text } }))
  peer.socket.resume()
  await Promise.all(sends)
  await until('all answers', () => peer.received.some(({ data }) => (data as { id?: number })?.id === 19))
  const ids = peer.received.map(({ data }) => (data as { id?: number })?.id).filter((id) => id !== undefined)
  expect(ids).toEqual(Array.from({ length: 20 }, (_, id) => id))
  expect(peer.received.length).toBeLessThan(110)
})

test('1,024 sessions are served at once', async () => {
  const { paths, endpoint } = await started()
  const peers: RawPeer[] = []
  onTestFinished(() => {
    for (const peer of peers) peer.close()
  })
  for (let batch = 0; batch < 16; batch += 1) {
    peers.push(...(await Promise.all(Array.from({ length: 64 }, () => RawPeer.greeted(paths.socket)))))
  }
  expect(endpoint.sessions).toBe(1 + 1_024)
  await Promise.all(peers.map((peer) => peer.ping()))
})

test('connections beyond the limit are turned away, and places that become free are taken', async () => {
  const { paths } = await started({ limits: { maxConnections: 3 } })
  const peers = [await RawPeer.greeted(paths.socket), await RawPeer.greeted(paths.socket)]
  const turnedAway = connect(paths.socket)
  await new Promise((resolve) => turnedAway.on('close', resolve).on('error', () => undefined))
  peers[0]?.close()
  await until('a free place', async () => {
    const peer = new RawPeer(paths.socket)
    await peer.connected
    peer.send('hello', sessionHello())
    return peer.event('welcome').then(Boolean, () => false)
  })
})
