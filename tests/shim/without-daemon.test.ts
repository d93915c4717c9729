import { mkdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { staticAnswers } from '../../daemon/tools/static-answers.ts'
import { tempDirectory, tempHome } from '../ipc/temp-home.ts'
import { bundledShim } from './bundled-shim.ts'
import { ShimSession } from './shim-session.ts'

const shim = bundledShim()

async function session(args: readonly string[] = []): Promise<ShimSession & { home: string }> {
  const home = join(await tempDirectory(), 'nobody')
  return Object.assign(new ShimSession(shim.file, { SCRUM4ME_HOME: home }, args), { home })
}

test('initialize, ping, lists and log level are answered with no daemon there', async () => {
  const shimmed = await session()
  const expected = staticAnswers()
  expect((await shimmed.initialize()).result).toEqual({
    protocolVersion: '2025-11-25',
    capabilities: expected.capabilities,
    serverInfo: expected.serverInfo,
    instructions: expected.instructions,
  })
  expect((await shimmed.answer(shimmed.request('ping'))).result).toEqual({})
  const tools = await shimmed.answer(shimmed.request('tools/list'))
  expect(tools.result).toEqual({ tools: JSON.parse(JSON.stringify(expected.tools)) })
  expect((await shimmed.answer(shimmed.request('prompts/list'))).result).toHaveProperty('prompts')
  expect((await shimmed.answer(shimmed.request('logging/setLevel', { level: 'info' }))).result).toEqual({})
})

test('a call fails within 5 s with the command that starts the daemon, home included', async () => {
  const shimmed = await session()
  await shimmed.initialize()
  const begun = performance.now()
  const [call, prompt] = await Promise.all([
    shimmed.call('list_products'),
    shimmed.answer(shimmed.request('prompts/get', { name: 'x' })),
  ])
  expect(performance.now() - begun).toBeLessThan(6_000)
  const text = `DAEMON_UNREACHABLE: No Scrum4Me daemon is running for ${shimmed.home}. Start it with \`scrum4me-daemon start --home ${shimmed.home}\`, then call again.`
  expect(call.result).toEqual({ isError: true, content: [{ type: 'text', text }] })
  expect(prompt.error).toMatchObject({ message: text })
})

test('--home wins over the environment, in both spellings and behind `mcp`', async () => {
  const spellings = [
    ['--home', '/no/where else'],
    ['mcp', '--home=/no/where else'],
  ]
  const calls = await Promise.all(spellings.map(async (args) => (await session(args)).call('x')))
  for (const { result } of calls) {
    expect(result?.content?.[0]?.text).toContain("`scrum4me-daemon start --home '/no/where else'`")
  }
})

test('a home that is not absolute is named, not looked for where the client stands', async () => {
  const shimmed = new ShimSession(shim.file, { SCRUM4ME_HOME: 'here' }, [])
  expect((await shimmed.call('x')).result?.content?.[0]?.text).toMatch(
    /^DAEMON_UNREACHABLE: .*SCRUM4ME_HOME.* no absolute path.*MCP configuration/,
  )
})

test('a cancelled call is not answered', async () => {
  const shimmed = await session()
  const cancelled = shimmed.request('tools/call', { name: 'x' })
  shimmed.send({ method: 'notifications/cancelled', params: { requestId: cancelled } })
  await shimmed.call('y')
  expect(shimmed.messages.map(({ id }) => id)).not.toContain(cancelled)
})

test('what is no JSON-RPC gets an error, and the session goes on', async () => {
  const shimmed = await session()
  shimmed.write(
    'nonsense\n\n  \n[]\nnull\n{"jsonrpc":"1.0","id":5,"method":"ping"}\n{"jsonrpc":"2.0","id":6,"method":"ping","extra":1}\r\n',
  )
  shimmed.write('{"jsonrpc":"2.0","id":"sp')
  shimmed.write('lit ë","method":"ping"}\r\n')
  await shimmed.answer('split ë')
  expect(shimmed.messages.map(({ id, error }) => [id, error?.code])).toEqual([
    [null, -32700],
    [null, -32600],
    [null, -32600],
    [5, -32600],
    [6, -32600],
    ['split ë', undefined],
  ])
})

test('messages over the frame limit are answered here, with their id while they fit into memory', async () => {
  const shimmed = await session()
  const large = 'x'.repeat(9 * 1024 * 1024)
  shimmed.send({ method: 'tools/call', params: { name: 'x', arguments: { large } }, id: 'large' })
  shimmed.send({ method: 'notifications/large', params: { large } })
  expect((await shimmed.answer('large')).result).toMatchObject({
    isError: true,
    content: [{ text: expect.stringMatching(/^VALIDATION_ERROR: .*8 MiB/) }],
  })
  for (let part = 0; part < 5; part += 1) shimmed.write(large)
  shimmed.write('\n')
  expect((await shimmed.answer(null)).error?.message).toMatch(/8 MiB/)
  expect((await shimmed.answer(shimmed.request('ping'))).result).toEqual({})
})

test('calls beyond what may wait are refused at once; lists are answered all the same', async () => {
  const shimmed = await session()
  const calls = Array.from({ length: 515 }, () => shimmed.request('tools/call', { name: 'x' }))
  expect((await shimmed.answer(shimmed.request('tools/list'))).result).toHaveProperty('tools')
  const refused = shimmed.messages.filter(({ result }) => result?.isError)
  expect(refused.map(({ id }) => id)).toEqual(calls.slice(512))
  expect(refused[0]?.result?.content?.[0]?.text).toMatch(/^VALIDATION_ERROR: Too many calls/)
  shimmed.send({ method: 'notifications/cancelled', params: { requestId: calls[0] } })
  const next = shimmed.request('tools/call', { name: 'x' })
  await shimmed.answer(shimmed.request('ping'))
  expect(shimmed.messages.map(({ id }) => id)).not.toContain(next)
  shimmed.program.child.stdin?.end()
})

test('a home that others could reach is not trusted', async () => {
  const directory = await tempDirectory()
  await mkdir(join(directory, 'run'), { mode: 0o777 })
  const { chmod } = await import('node:fs/promises')
  await chmod(join(directory, 'run'), 0o777)
  const trap = createServer((socket) => socket.end('gotcha'))
  onTestFinished(() => void trap.close())
  let visits = 0
  trap.on('connection', () => {
    visits += 1
  })
  await new Promise<void>((resolve) => trap.listen(join(directory, 'run/daemon.sock'), resolve))
  const shimmed = new ShimSession(shim.file, { SCRUM4ME_HOME: directory })
  const text = (await shimmed.call('x')).result?.content?.[0]?.text
  expect(text).toMatch(/^PERMISSION_DENIED: .*open to other users \(mode 0777\)/)
  expect(visits).toBe(0)
})

test('a daemon that accepts and stays silent is told apart from none', async () => {
  const paths = await tempHome()
  const silent = createServer()
  onTestFinished(() => void silent.close())
  await new Promise<void>((resolve) => silent.listen(paths.socket, resolve))
  const shimmed = new ShimSession(shim.file, { SCRUM4ME_HOME: paths.home })
  const text = (await shimmed.call('x')).result?.content?.[0]?.text
  expect(text).toMatch(/^DAEMON_UNREACHABLE: The Scrum4Me daemon is there but does not answer/)
  // Not dialled again and again: one connection waits for as long as it stands.
  expect(await new Promise((resolve) => silent.getConnections((_, count) => resolve(count)))).toBe(1)
  shimmed.program.child.kill('SIGKILL')
})
