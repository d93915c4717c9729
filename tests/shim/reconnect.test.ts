import { expect, onTestFinished, test } from 'vitest'
import { delay } from '../../daemon/lifecycle/delay.ts'
import { holders } from '../ipc/holder.ts'
import type { Program } from '../ipc/run-program.ts'
import { tempHome } from '../ipc/temp-home.ts'
import { testEndpoint } from '../ipc/test-endpoint.ts'
import { until } from '../support/until.ts'
import { bundledShim } from './bundled-shim.ts'
import { ShimSession } from './shim-session.ts'

const shim = bundledShim()
const holder = holders()

test('a daemon killed and started again: the same session goes on, calls in flight are sent once more', async () => {
  const paths = await tempHome()
  const first = holder.start(paths)
  await first.line(/^serving/)
  const session = new ShimSession(shim.file, { SCRUM4ME_HOME: paths.home })
  await session.initialize()
  const before = await session.call('pid')
  const waiting = session.call('wait', { ms: 300, tag: 'w' })
  await first.line(/^call wait/)
  first.child.kill('SIGKILL')
  await first.exited
  const second = holder.start(paths)
  await second.line(/^serving/)
  expect((await waiting).result?.content?.[0]?.text).toBe('{"ms":300,"tag":"w"}')
  expect(second.lines.filter((line) => line.startsWith('call wait {'))).toHaveLength(1)
  const after = await session.call('pid')
  expect(after.result).not.toEqual(before.result)
  expect(after.result?.content?.[0]?.text).toBe(String(second.pid))
})

test('20 sessions wait, the daemon is killed: all wait on, each once, and are answered by the next', async () => {
  const paths = await tempHome()
  const first = holder.start(paths, { TEST_HOLDS: '1' })
  await first.line(/^serving/)
  const sessions = Array.from({ length: 20 }, () => new ShimSession(shim.file, { SCRUM4ME_HOME: paths.home }))
  const held = sessions.map((session, n) => session.call('hold', { n }))
  const begun = ({ lines }: Program) => lines.filter((line) => line.startsWith('call hold')).length
  await until('all wait', () => begun(first) === 20, 30_000)
  first.child.kill('SIGKILL')
  await first.exited
  const second = holder.start(paths)
  const answers = await Promise.all(held)
  expect(answers.map(({ result }) => result?.content?.[0]?.text)).toEqual(
    sessions.map((_, n) => `{"n":${n}}`),
  )
  expect(begun(second)).toBe(20)
})

test('a session that idles without a daemon looks for one rarely, and its next call does at once', async () => {
  const paths = await tempHome()
  const session = new ShimSession(shim.file, { SCRUM4ME_HOME: paths.home })
  await session.initialize()
  // Long enough for the pauses to have grown to their longest.
  await delay(3_000)
  const { endpoint } = testEndpoint(paths)
  await endpoint.start()
  onTestFinished(() => endpoint.stop())
  const begun = performance.now()
  await session.call('echo')
  expect(performance.now() - begun).toBeLessThan(1_500)
})

test('a call that was in flight at two crashes is not sent a third time', async () => {
  const paths = await tempHome()
  const session = new ShimSession(shim.file, { SCRUM4ME_HOME: paths.home })
  await session.initialize()
  const waiting = session.call('wait')
  for (let crash = 0; crash < 2; crash += 1) {
    const daemon = holder.start(paths)
    await daemon.line(/^call wait/)
    daemon.child.kill('SIGKILL')
    await daemon.exited
  }
  const { result } = await waiting
  expect(result).toMatchObject({ isError: true })
  expect(result?.content?.[0]?.text).toMatch(/^OUTCOME_UNKNOWN: .*scrum4me-daemon start --home/)
  const third = holder.start(paths)
  await third.line(/^serving/)
  await session.call('echo')
  expect(third.lines.filter((line) => line.startsWith('call wait'))).toEqual([])
})

test('planned restarts do not count, and calls made meanwhile wait for the next daemon', async () => {
  const paths = await tempHome()
  const session = new ShimSession(shim.file, { SCRUM4ME_HOME: paths.home })
  await session.initialize()
  const waiting = session.call('hold')
  for (let restart = 0; restart < 3; restart += 1) {
    const daemon = holder.start(paths, { TEST_HOLDS: '1' })
    await daemon.line(/^call hold/)
    daemon.child.kill('SIGTERM')
    expect(await daemon.exited).toBe(0)
  }
  const late = session.call('echo', { late: true })
  const delayed = session.call('meta')
  // Longer than a call waits when no restart was announced.
  await delay(5_500)
  expect(session.messages.filter(({ result }) => result?.isError)).toEqual([])
  const last = holder.start(paths)
  await last.line(/^serving/)
  expect((await waiting).result?.isError).toBeUndefined()
  expect((await late).result?.content?.[0]?.text).toBe('{"late":true}')
  // What its client allows for an answer has gone on running out.
  const meta = JSON.parse((await delayed).result?.content?.[0]?.text ?? '')
  expect(meta).toEqual({ 'scrum4me/waitedMs': expect.any(Number) })
  expect(meta['scrum4me/waitedMs']).toBeGreaterThan(5_000)
  expect((await session.call('meta')).result?.content?.[0]?.text).toBe('null')
})

test('a call for which no daemon came in time is not sent to a later one', async () => {
  const paths = await tempHome()
  const session = new ShimSession(shim.file, { SCRUM4ME_HOME: paths.home })
  await session.initialize()
  expect((await session.call('echo', { n: 1 })).result?.isError).toBe(true)
  const daemon = holder.start(paths)
  await daemon.line(/^serving/)
  expect((await session.call('echo', { n: 2 })).result?.content?.[0]?.text).toBe('{"n":2}')
  expect(daemon.lines.filter((line) => line.startsWith('call echo'))).toEqual(['call echo {"n":2}'])
})

test('numbers that JavaScript cannot hold cross unchanged, both ways', async () => {
  const paths = await tempHome()
  const { endpoint, sessions } = testEndpoint(paths)
  await endpoint.start()
  onTestFinished(() => endpoint.stop())
  const session = new ShimSession(shim.file, { SCRUM4ME_HOME: paths.home })
  await session.initialize()
  await until('it is connected', () => sessions.length === 1)
  session.write(
    '{"jsonrpc":"2.0","id":1e2,"method":"tools/call","params":{"name":"echo","arguments":{"n":0.10}}}\n',
  )
  expect((await session.answer(100)).result?.content?.[0]?.text).toBe('{"n":0.1}')
})

test('a client that stops reading holds up nobody and loses nothing', async () => {
  const paths = await tempHome()
  const { endpoint } = testEndpoint(paths)
  await endpoint.start()
  onTestFinished(() => endpoint.stop())
  const session = new ShimSession(shim.file, { SCRUM4ME_HOME: paths.home })
  await session.initialize()
  await session.call('echo')
  session.program.child.stdout?.pause()
  const ids = Array.from({ length: 12 }, () =>
    session.request('tools/call', { name: 'big', arguments: { bytes: 1024 * 1024 } }),
  )
  const neighbour = new ShimSession(shim.file, { SCRUM4ME_HOME: paths.home })
  await neighbour.initialize()
  for (let call = 0; call < 20; call += 1) await neighbour.call('echo')
  session.program.child.stdout?.resume()
  for (const id of ids)
    expect((await session.answer(id)).result?.content?.[0]?.text).toHaveLength(1024 * 1024)
})

test('the end of stdin is seen while a stopped daemon reads nothing', async () => {
  const paths = await tempHome()
  const daemon = holder.start(paths)
  await daemon.line(/^serving/)
  const session = new ShimSession(shim.file, { SCRUM4ME_HOME: paths.home })
  await session.initialize()
  await session.call('echo')
  daemon.child.kill('SIGSTOP')
  for (let call = 0; call < 4; call += 1)
    session.request('tools/call', { name: 'echo', arguments: { x: 'x'.repeat(1024 * 1024) } })
  const { stdin } = session.program.child
  if (stdin?.writableNeedDrain) await new Promise((resolve) => stdin.once('drain', resolve))
  const begun = performance.now()
  stdin?.end()
  expect(await session.program.exited).toBe(0)
  expect(performance.now() - begun).toBeLessThan(1_000)
})
