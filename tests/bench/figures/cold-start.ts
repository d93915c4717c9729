import { SHIM } from '../../support/installation.ts'
import { type Bench, times } from '../bench.ts'
import { ms, ratio } from '../figure.ts'
import { PER_SESSION_SERVER, sessionEnvironment } from '../rivals/session-environment.ts'
import { summarise } from '../samples.ts'
import { Machine } from '../world/machine.ts'
import { spawnToExit, spawnToInitialize } from '../world/spawn-session.ts'

/** Node 24's floor is less than half of Node 20's, so the same work of ours is more of it. */
const [MAJOR = 0] = process.versions.node.split('.').map(Number)
const TARGET = MAJOR < 24 ? 1.3 : 1.7

/** How long a new session's client waits: spawn → `initialize` answered, with a daemon there to connect to. */
export const coldStart: Bench = {
  name: 'cold-start',
  async run(world, sizes, cleanup) {
    const tenant = await world.tenant()
    const machine = cleanup.own(await Machine.make(tenant), (made) => made.remove())
    await machine.product()
    await machine.start()
    const shimEnv = machine.installation.env
    const serverEnv = await sessionEnvironment(world, tenant)
    const s = { floor: [] as number[], shim: [] as number[], server: [] as number[] }
    // The first of each reads its files from the disk.
    await Promise.all([spawnToInitialize(SHIM, shimEnv), spawnToInitialize(PER_SESSION_SERVER, serverEnv)])
    for (let n = 0; n < times(sizes, 60); n += 1) {
      s.floor.push(await spawnToExit(shimEnv))
      s.shim.push(await spawnToInitialize(SHIM, shimEnv))
      if (n % 5 === 0) s.server.push(await spawnToInitialize(PER_SESSION_SERVER, serverEnv))
    }
    const [floor, shim, server] = [summarise(s.floor), summarise(s.shim), summarise(s.server)]
    return {
      figures: [
        ratio('cold start of a session, p50', ms('shim', shim.p50), ms('node -e 0', floor.p50), TARGET),
        ratio('the same', ms('shim', shim.p50), ms('per-session server', server.p50), 0.2),
        ratio('the same, p99', ms('shim', shim.p99), ms('node -e 0', floor.p99)),
      ],
      series: {
        'node -e 0, ms': floor,
        'shim to initialize, ms': shim,
        'per-session server to initialize, ms': server,
      },
    }
  },
}
