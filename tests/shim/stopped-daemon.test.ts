import { stat } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { delay } from '../../daemon/lifecycle/delay.ts'
import { holders } from '../ipc/holder.ts'
import { tempHome } from '../ipc/temp-home.ts'
import { bundledShim } from './bundled-shim.ts'
import { ShimSession } from './shim-session.ts'

const shim = bundledShim()
const holder = holders()
const stoppedMs = process.env.SCRUM4ME_TEST_LONG === '1' ? 60_000 : 12_000

test(`a daemon stopped for ${stoppedMs / 1_000} s while clients and daemons start: nobody replaces it`, async () => {
  const paths = await tempHome()
  const daemon = holder.start(paths)
  await daemon.line(/^serving/)
  const early = new ShimSession(shim.file, { SCRUM4ME_HOME: paths.home })
  await early.call('echo')
  const { ino, dev } = await stat(paths.socket)

  daemon.child.kill('SIGSTOP')
  const inFlight = early.call('echo', { from: 'the past' })
  const rivals = Array.from({ length: 5 }, () => holder.start(paths))
  const sessions = Array.from({ length: 20 }, () => new ShimSession(shim.file, { SCRUM4ME_HOME: paths.home }))
  const calls = sessions.map((session) => session.call('pid'))
  expect(await Promise.all(rivals.map((rival) => rival.exited))).toEqual(rivals.map(() => 75))
  for (const rival of rivals) expect(rival.lines).toEqual([`held ${daemon.pid}`])
  for (const { result } of await Promise.all(calls)) {
    expect(result?.content?.[0]?.text).toMatch(/DAEMON_UNREACHABLE: .* does not answer/)
  }
  await delay(stoppedMs - 8_000)
  daemon.child.kill('SIGCONT')

  expect((await inFlight).result?.content?.[0]?.text).toBe('{"from":"the past"}')
  for (const session of sessions) {
    expect((await session.call('pid')).result?.content?.[0]?.text).toBe(String(daemon.pid))
  }
  expect(await stat(paths.socket)).toMatchObject({ ino, dev })
  expect(daemon.lines.filter((line) => /^(lost|replaced)/.test(line))).toEqual([])
}, 120_000)
