import { setTimeout as sleep } from 'node:timers/promises'
import type { Agent } from '../../support/agent.ts'
import { until } from '../../support/until.ts'
import { type Bench, times } from '../bench.ts'
import { ms, plain, ratio } from '../figure.ts'
import { median, percentile, summarise } from '../samples.ts'
import { sharedNow } from '../world/clock.ts'
import { Machine } from '../world/machine.ts'
import { spawnToExit } from '../world/spawn-session.ts'

const SESSIONS = 20

/** A daemon killed and started again at once, as a supervisor without a delay would: how long nobody is answered. */
export const restart: Bench = {
  name: 'restart',
  async run(world, sizes, cleanup) {
    const tenant = await world.tenant()
    const machine = cleanup.own(await Machine.make(tenant), (made) => made.remove())
    await machine.product()
    await machine.start()
    const [agent, ...others] = await machine.agents(SESSIONS)
    if (agent === undefined) throw new Error('no agent')
    let over = false
    // A wait that was in flight at two crashes is not sent a third time; its agent waits again, as agents do.
    const waitOn = async (other: Agent) => {
      while (!over) await machine.wait(other).catch(() => sleep(50))
    }
    for (const other of others) void waitOn(other)
    cleanup.own(others, async () => {
      over = true
    })
    await machine.waiting(others.length)
    const answered: number[] = []
    const floor: number[] = []
    for (let n = 0; n < times(sizes, 6); n += 1) {
      const from = sharedNow()
      await machine.installation.end('SIGKILL')
      machine.installation.spawnDaemon()
      await agent.call('health')
      answered.push(sharedNow() - from)
      await machine.waiting(others.length)
      await until('it is healthy', async () => (await machine.installation.status()).state === 'healthy')
      floor.push(await spawnToExit(machine.installation.env))
    }
    return {
      figures: [
        plain('kill -9 → calls answered again, p50', ms('ours', median(answered)), 1000),
        plain('the same, longest', ms('ours', percentile(answered, 100)), 1000),
        ratio('the same, p50', ms('ours', median(answered)), ms('node -e 0', median(floor))),
      ],
      series: { 'kill -9 to calls answered again, ms': summarise(answered) },
    }
  },
}
