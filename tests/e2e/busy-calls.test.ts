import { afterEach, expect, it } from 'vitest'
import { startProxy, type TestProxy } from '../support/proxy.ts'
import { Scenario } from '../support/scenario.ts'

let scenario: Scenario
let proxy: TestProxy
afterEach(async () => {
  await scenario.close()
  await proxy.close()
})

it('a session that asks without pause delays no heartbeat on a slow link', async () => {
  scenario = await Scenario.make()
  proxy = await startProxy(scenario.db.socketDir)
  const machine = await scenario.installation({
    databaseUrl: proxy.url(scenario.db.url),
    env: { SCRUM4ME_HEARTBEAT_SECONDS: '1' },
  })
  await machine.start()
  const agent = await machine.agent()
  proxy.setLatency(20)
  const end = performance.now() + 8_000
  const ask = async () => {
    while (performance.now() < end) {
      expect(await agent.call('health')).toMatchObject({ database: 'ok' })
      expect(await agent.fails('job_heartbeat', { job_id: 'nothing' })).toMatch(/^NOT_FOUND: /)
    }
  }
  await Promise.all(Array.from({ length: 200 }, ask))
  const { presence } = await machine.status()
  expect(presence?.longest_gap_seconds).toBeLessThan(3)
})
