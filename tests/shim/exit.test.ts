import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { delay } from '../../daemon/lifecycle/delay.ts'
import { readProcess } from '../../daemon/wire/read-process.ts'
import { tempHome } from '../ipc/temp-home.ts'
import { testEndpoint } from '../ipc/test-endpoint.ts'
import { bundledShim } from './bundled-shim.ts'
import { ShimSession } from './shim-session.ts'

const shim = bundledShim()
const cycles = process.env.SCRUM4ME_TEST_LONG === '1' ? 1_000 : 200
/** The contract's 100 ms, plus what a busy machine needs to notice. */
const PROMPT_MS = 1_000

type End = (session: ShimSession) => void
const ends: [string, End][] = [
  ['the end of stdin', ({ program }) => void program.child.stdin?.end()],
  ['SIGINT', ({ program }) => void program.child.kill('SIGINT')],
  ['SIGTERM', ({ program }) => void program.child.kill('SIGTERM')],
  ['SIGHUP', ({ program }) => void program.child.kill('SIGHUP')],
]

test.each(ends)('%s ends it at once: idle, with a daemon, and with a call in flight', async (_name, end) => {
  const paths = await tempHome()
  const { endpoint, calls } = testEndpoint(paths)
  await endpoint.start()
  onTestFinished(() => endpoint.stop())
  for (const state of ['idle', 'connected', 'calling']) {
    const home = state === 'idle' ? '/nowhere' : paths.home
    const session = new ShimSession(shim.file, { SCRUM4ME_HOME: home })
    await session.initialize()
    if (state === 'connected') await session.call('echo')
    if (state === 'calling') {
      const before = calls.length
      session.request('tools/call', { name: 'wait' })
      while (calls.length === before) await delay(5)
    }
    const begun = performance.now()
    end(session)
    expect(await session.program.exited).toBe(0)
    expect(performance.now() - begun).toBeLessThan(PROMPT_MS)
  }
})

test('a reader of stdout that goes away ends it', async () => {
  const session = new ShimSession(shim.file, { SCRUM4ME_HOME: '/nowhere' })
  await session.initialize()
  session.program.child.stdout?.destroy()
  session.request('ping')
  expect(await session.program.exited).toBe(0)
})

test('answers given before stdin ended still come out', async () => {
  const session = new ShimSession(shim.file, { SCRUM4ME_HOME: '/nowhere' })
  // No more than the kernel holds for a reader that a busy machine keeps from reading.
  for (let id = 0; id < 500; id += 1) session.request(id % 200 === 0 ? 'tools/list' : 'ping', {}, id)
  session.program.child.stdin?.end()
  expect(await session.program.exited).toBe(0)
  const { stdout } = session.program.child
  if (stdout?.readableEnded === false) await once(stdout, 'close')
  expect(session.messages).toHaveLength(500)
})

test(`${cycles} sessions ended at random moments, also before initialize, leave no process`, async () => {
  const paths = await tempHome()
  const { endpoint } = testEndpoint(paths)
  await endpoint.start()
  onTestFinished(() => endpoint.stop())
  const pids: number[] = []
  const one = async (index: number) => {
    const session = new ShimSession(shim.file, { SCRUM4ME_HOME: index % 3 === 0 ? '/nowhere' : paths.home })
    pids.push(session.program.pid)
    await delay(Math.random() * 60)
    if (index % 2 === 0)
      session.request('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: {} })
    if (index % 4 === 0) session.request('tools/call', { name: 'wait' })
    await delay(Math.random() * 120)
    ends[index % ends.length]?.[1](session)
    await session.program.exited
  }
  for (let start = 0; start < cycles; start += 4) {
    await Promise.all([0, 1, 2, 3].map((offset) => one(start + offset)))
  }
  expect(pids).toHaveLength(cycles)
  for (const pid of pids) {
    const found = await readProcess(pid)
    expect(found === null || !found.command.includes(shim.file)).toBe(true)
  }
})
