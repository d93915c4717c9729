import { chmod, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import { expect, onTestFinished, test } from 'vitest'
import { control } from '../../daemon/ipc/control-client.ts'
import { ensureHome } from '../../daemon/ipc/ensure-home.ts'
import type { SessionConnection } from '../../daemon/ipc/session-connection.ts'
import { type Paths, resolvePaths } from '../../daemon/paths.ts'
import { until } from '../support/until.ts'
import { holders } from './holder.ts'
import { RawPeer } from './raw-peer.ts'
import { tempDirectory, tempHome } from './temp-home.ts'
import { type TestEndpointOptions, testEndpoint } from './test-endpoint.ts'

const holder = holders()

async function started(paths: Paths, options?: TestEndpointOptions) {
  const made = testEndpoint(paths, options)
  await made.endpoint.start()
  onTestFinished(() => made.endpoint.stop())
  return made
}

const ask = { timeoutMs: 5_000 }

test('replaces the socket of a killed daemon', async () => {
  const paths = await tempHome()
  const killed = holder.start(paths)
  await killed.line(/^serving/)
  killed.child.kill('SIGKILL')
  await killed.exited
  const { ino } = await stat(paths.socket)
  await started(paths)
  expect((await stat(paths.socket)).ino).not.toBe(ino)
  ;(await RawPeer.greeted(paths.socket)).close()
})

test('never replaces a socket that is served, not even by a stopped process', async () => {
  const paths = await tempHome()
  const other = holder.start(paths)
  await other.line(/^serving/)
  other.child.kill('SIGSTOP')
  const { ino } = await stat(paths.socket)
  const { endpoint } = testEndpoint(paths)
  await expect(endpoint.start()).rejects.toMatchObject({ code: 'CONFLICT' })
  await endpoint.stop()
  expect((await stat(paths.socket)).ino).toBe(ino)
  other.child.kill('SIGCONT')
  ;(await RawPeer.greeted(paths.socket)).close()
})

test('leaves a file that is no socket where it is', async () => {
  const paths = await tempHome()
  await writeFile(paths.socket, 'precious')
  await expect(testEndpoint(paths).endpoint.start()).rejects.toMatchObject({
    code: 'VALIDATION_ERROR',
    message: expect.stringContaining('is no socket'),
  })
  expect(await readFile(paths.socket, 'utf8')).toBe('precious')
})

test('two homes that name one socket: the second is refused, also while the first starts', async () => {
  const directory = await tempDirectory()
  const socket = join(directory, 'shared', 'd.sock')
  const [a, b] = ['a', 'b'].map((name) =>
    resolvePaths({ SCRUM4ME_HOME: join(directory, name), SCRUM4ME_SOCKET: socket }),
  ) as [Paths, Paths]
  await ensureHome(a)
  await ensureHome(b)
  const outcomes = await Promise.allSettled(
    [testEndpoint(a), testEndpoint(b)].map(async ({ endpoint }) => {
      onTestFinished(() => endpoint.stop())
      await endpoint.start()
    }),
  )
  expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'CONFLICT' } })
})

test('a directory open to others is refused', async () => {
  const paths = await tempHome()
  await chmod(paths.runDir, 0o755)
  await expect(testEndpoint(paths).endpoint.start()).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
  await expect(control(paths.socket, 'status', {}, ask)).rejects.toMatchObject({
    failure: 'refused',
    code: 'PERMISSION_DENIED',
  })
})

test('a deleted socket comes back, and standing connections never notice', async () => {
  const paths = await tempHome()
  const { log } = await started(paths, { limits: { tickMs: 20, selfCheckTicks: 1 } })
  const before = await RawPeer.greeted(paths.socket)
  for (let round = 0; round < 3; round += 1) {
    await rm(paths.socket)
    await until('the socket is back', () => stat(paths.socket).then(Boolean, () => false))
    ;(await RawPeer.greeted(paths.socket)).close()
  }
  before.send('mcp', { jsonrpc: '2.0', id: 7, method: 'ping' })
  expect(await before.event('mcp')).toEqual({ jsonrpc: '2.0', id: 7, result: {} })
  expect(log.join()).toContain('had been deleted and is back')
})

test("another's socket at our path is reported once and survives our stop", async () => {
  const paths = await tempHome()
  const replaced: string[] = []
  const limits = { tickMs: 20, selfCheckTicks: 1 }
  const { endpoint } = await started(paths, { limits, onReplaced: (detail) => void replaced.push(detail) })
  const stranger = createServer()
  onTestFinished(() => void stranger.close())
  const aside = join(paths.runDir, 'stranger')
  await new Promise<void>((resolve) => stranger.listen(aside, resolve))
  await rename(aside, paths.socket)
  await until('the replacement is noticed', () => replaced.length > 0)
  await endpoint.stop()
  expect((await stat(paths.socket)).isSocket()).toBe(true)
  expect(replaced).toHaveLength(1)
})

test('stop removes the socket, delivers what is queued, and tells each session why', async () => {
  const paths = await tempHome()
  const { endpoint, sessions } = await started(paths)
  const peer = await RawPeer.greeted(paths.socket)
  const message = {
    jsonrpc: '2.0' as const,
    method: 'notifications/x',
    params: { text: 'x'.repeat(100_000) },
  }
  for (let count = 0; count < 30; count += 1) void sessions[0]?.transport.send(message)
  endpoint.goodbye('restart')
  await endpoint.stop()
  await endpoint.stop()
  await peer.closed
  expect(peer.received.filter(({ event }) => event === 'mcp')).toHaveLength(30)
  expect(peer.received.at(-1)).toEqual({ event: 'goodbye', data: { reason: 'restart' } })
  expect(await sessions[0]?.closed).toEqual({ kind: 'stopped', detail: 'the daemon stops' })
  await expect(stat(paths.socket)).rejects.toMatchObject({ code: 'ENOENT' })
})

test('an endpoint that never started stops', async () => {
  await testEndpoint(await tempHome()).endpoint.stop()
})

test('send resolves when written and rejects once the peer is gone', async () => {
  const paths = await tempHome()
  const { sessions } = await started(paths)
  const peer = await RawPeer.greeted(paths.socket)
  const [session] = sessions
  const message = { jsonrpc: '2.0' as const, method: 'notifications/x' }
  await session?.transport.send(message)
  peer.close()
  expect(await session?.closed).toMatchObject({ kind: 'gone' })
  await expect(session?.transport.send(message)).rejects.toThrow('closed')
})

test("the daemon's own requests have ids that no other connection has, and only their answers count", async () => {
  const paths = await tempHome()
  const heard: unknown[] = []
  const asking: SessionConnection[] = []
  await started(paths, {
    onSession(connection) {
      asking.push(connection)
      connection.transport.onmessage = (message) => void heard.push(message)
      void connection.transport.start()
    },
  })
  const peers = [await RawPeer.greeted(paths.socket), await RawPeer.greeted(paths.socket)] as const
  const send = (message: object) =>
    Promise.all(
      asking.map(({ transport }) => transport.send({ jsonrpc: '2.0', ...message } as JSONRPCMessage)),
    )
  await send({ id: 0, method: 'ping' })
  await send({ id: 1, method: 'ping' })
  await send({ method: 'notifications/cancelled', params: { requestId: 1, reason: 'late' } })
  type Sent = { id: string; params: { requestId: string } }
  const [before, peer] = await Promise.all(
    peers.map(async (peer) => (await Promise.all([0, 1, 2].map((nth) => peer.event('mcp', nth)))) as Sent[]),
  )
  const ids = [...before!, ...peer!].map(({ id }) => id).filter((id) => id !== undefined)
  expect(new Set(ids).size).toBe(4)
  for (const id of ids) expect(id).toMatch(/^[\w-]{20,}:[01]$/)
  expect(peer![2]!.params).toEqual({ requestId: peer![1]!.id, reason: 'late' })

  const answer = (id: unknown) => peers[1].send('mcp', { jsonrpc: '2.0', id, result: {} })
  answer(0)
  answer(before![0]!.id)
  answer(peer![1]!.id)
  answer(peer![0]!.id)
  answer(peer![0]!.id)
  peers[1].send('mcp', { jsonrpc: '2.0', error: { code: -32600, message: 'to nothing' } })
  peers[1].send('mcp', { jsonrpc: '2.0', method: 'notifications/last' })
  await until('all is heard', () => JSON.stringify(heard).includes('last'))
  expect(heard).toEqual([
    { jsonrpc: '2.0', id: 0, result: {} },
    { jsonrpc: '2.0', method: 'notifications/last' },
  ])
})

test('an answer over the frame limit becomes an error to that call alone', async () => {
  const paths = await tempHome()
  await started(paths)
  const peer = await RawPeer.greeted(paths.socket)
  const call = (id: number, name: string, args: object) =>
    peer.send('mcp', { jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args } })
  call(1, 'big', { bytes: 9 * 1024 * 1024 })
  call(2, 'echo', { here: true })
  const answers = [await peer.event('mcp', 0), await peer.event('mcp', 1)]
  expect(answers).toContainEqual(
    expect.objectContaining({ id: 1, result: expect.objectContaining({ isError: true }) }),
  )
  expect(answers).toContainEqual(
    expect.objectContaining({ id: 2, result: { content: [{ type: 'text', text: '{"here":true}' }] } }),
  )
})

test.each([
  [{ min: 2, max: 3 }, /daemon is older.*scrum4me-daemon restart --home/],
  [{ min: 0.5, max: 1 }, /malformed|names no/],
])('a hello with protocol %j is refused with both versions and the command', async (range, remedy) => {
  const paths = await tempHome()
  await started(paths)
  const peer = new RawPeer(paths.socket)
  await peer.connected
  // Of a later release: nothing but the range can be relied on.
  peer.send('hello', { protocol: range, shape: 'unknown here' })
  const refusal = (await peer.event('refused')) as { code: string; message: string; remedy: string }
  expect(`${refusal.message} ${refusal.remedy}`).toMatch(remedy)
  if (range.min === 2) {
    expect(refusal.code).toBe('PROTOCOL_MISMATCH')
    expect(refusal.message).toMatch(/speaks protocol 1, .* protocol 2 to 3/)
  }
  await peer.closed
})
