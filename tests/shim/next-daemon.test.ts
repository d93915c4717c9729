import { rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { holders } from '../ipc/holder.ts'
import { tempHome } from '../ipc/temp-home.ts'
import { testEndpoint } from '../ipc/test-endpoint.ts'
import { until } from '../support/until.ts'
import { bundledShim } from './bundled-shim.ts'
import { ShimSession } from './shim-session.ts'

const shim = bundledShim()
const holder = holders()

test('a daemon with another catalog makes the client list again, one with the same does not', async () => {
  const paths = await tempHome()
  const session = new ShimSession(shim.file, { SCRUM4ME_HOME: paths.home })
  await session.initialize()
  await session.answer(session.request('tools/list'))
  const changes = () =>
    session.messages.filter(({ method }) => method === 'notifications/tools/list_changed').length
  const daemon = async (catalog: string) => {
    const started = holder.start(paths, { TEST_CATALOG: catalog })
    await started.line(/^serving/)
    await session.call('echo')
    return started
  }
  const first = await daemon('a')
  expect(changes()).toBe(1)
  expect((await session.answer(session.request('tools/list'))).result).toMatchObject({
    tools: [{ name: 'echo' }],
  })
  first.child.kill('SIGKILL')
  await first.exited
  const second = await daemon('a')
  expect(changes()).toBe(1)
  second.child.kill('SIGKILL')
  await second.exited
  await daemon('b')
  expect(changes()).toBe(2)
})

test('what the client said once is said to each daemon: initialize, initialized, log level', async () => {
  const paths = await tempHome()
  const session = new ShimSession(shim.file, {
    SCRUM4ME_HOME: paths.home,
    CLAUDE_CODE_SESSION_ID: 'conversation',
  })
  await session.initialize({ protocolVersion: '2025-06-18' })
  await session.answer(session.request('logging/setLevel', { level: 'error' }))
  const connections: string[] = []
  for (let round = 0; round < 2; round += 1) {
    const heard: object[] = []
    const made = testEndpoint(paths, {
      onSession(connection) {
        connections.push(connection.hello.connectionId)
        expect(connection.hello.sessionId).toBe('conversation')
        connection.transport.onmessage = (message) => void heard.push(message)
        void connection.transport.start()
      },
    })
    await made.endpoint.start()
    await until('all is said', () => heard.length === 3)
    expect(heard).toMatchObject([
      { method: 'initialize', params: { protocolVersion: '2025-06-18', clientInfo: { name: 'test' } } },
      { method: 'notifications/initialized' },
      { method: 'logging/setLevel', params: { level: 'error' } },
    ])
    await made.endpoint.stop()
  }
  // The key of at-most-once calls stays the same for the life of the shim.
  expect(new Set(connections).size).toBe(1)
})

test("a daemon's own requests are answered to that daemon only", async () => {
  const paths = await tempHome()
  const session = new ShimSession(shim.file, { SCRUM4ME_HOME: paths.home })
  await session.initialize()
  const answered: unknown[] = []
  const asked: (string | number | null | undefined)[] = []
  for (let round = 0; round < 2; round += 1) {
    const { endpoint } = testEndpoint(paths, {
      onSession({ transport }) {
        transport.onmessage = (message) => {
          if ('result' in message && !String(message.id).includes('shim')) answered.push([round, message])
        }
        void transport.start()
        void transport.send({ jsonrpc: '2.0', id: 0, method: 'roots/list' })
      },
    })
    await endpoint.start()
    await until(
      'it asks',
      () => session.messages.filter(({ method }) => method === 'roots/list').length === round + 1,
    )
    asked.push(session.messages.filter(({ method }) => method === 'roots/list')[round]?.id)
    if (round === 0) await endpoint.stop()
    else {
      onTestFinished(() => endpoint.stop())
      session.send({ id: asked[0], result: { late: true } })
      session.send({ id: asked[1], result: { roots: [] } })
      await until('it is answered', () => answered.length > 0)
    }
  }
  expect(answered).toEqual([[1, { jsonrpc: '2.0', id: 0, result: { roots: [] } }]])
  expect(asked[0]).not.toBe(asked[1])
})

test('a daemon of another protocol: calls say so at once, and work when the right one comes', async () => {
  const paths = await tempHome()
  const sockets = new Set<Socket>()
  const newer = createServer((socket) => {
    sockets.add(socket)
    const refusal = {
      code: 'PROTOCOL_MISMATCH',
      message: 'The daemon speaks 2, this program 1',
      remedy: 'Reconnect',
    }
    socket.on('data', () => socket.end(`${JSON.stringify({ type: 'refused', data: refusal })}\f`))
    socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => newer.listen(paths.socket, resolve))
  const session = new ShimSession(shim.file, { SCRUM4ME_HOME: paths.home })
  await session.initialize()
  const text = 'PROTOCOL_MISMATCH: The daemon speaks 2, this program 1. Reconnect.'
  expect((await session.call('echo')).result?.content?.[0]?.text).toBe(text)
  const begun = performance.now()
  expect((await session.call('echo')).result?.content?.[0]?.text).toBe(text)
  expect(performance.now() - begun).toBeLessThan(2_000)
  for (const socket of sockets) socket.destroy()
  await new Promise((resolve) => newer.close(resolve))
  await rm(paths.socket, { force: true })
  const { endpoint } = testEndpoint(paths)
  await endpoint.start()
  onTestFinished(() => endpoint.stop())
  await until('calls work', async () => (await session.call('echo')).result?.isError !== true)
})
