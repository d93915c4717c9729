import { join } from 'node:path'
import { composeDatabase } from './compose/database.ts'
import { composeFeatures } from './compose/features.ts'
import { composeSurfaces, type Owner } from './compose/surfaces.ts'
import type { DaemonOptions } from './daemon.ts'
import { messageOf } from './errors.ts'
import { ServiceGroup } from './lifecycle/group.ts'
import { stableNode } from './lifecycle/stable-node.ts'
import { SupervisorLink } from './lifecycle/supervisor-link.ts'
import { readInstanceId } from './state/instance-id.ts'
import { stateLine } from './status/state-line.ts'

/** Calls in flight get this long when the daemon ends (contract 3), ms. */
const DRAIN_MS = 10_000
/** Claiming for one waiter is a few statements, each with a deadline; one this long will never end, ms. */
const STUCK_MS = 60_000

export interface Services {
  start(): Promise<void>
  stop(goodbye: 'restart' | 'stop'): Promise<void>
}

/** Every service of the daemon, wired; nothing runs yet. */
export async function buildServices(options: DaemonOptions, owner: Owner): Promise<Services> {
  const { config, logger, supervisor } = options
  const instanceId = await readInstanceId(config.paths.home, config.paths.stateDir)
  const database = composeDatabase(options)
  const node = await stableNode()
  const features = composeFeatures({ ...options, node }, instanceId, database, (key, text) =>
    surfaces.host.notify(key, text),
  )
  const surfaces = composeSurfaces(options, owner, instanceId, database, features)
  const link = new SupervisorLink({
    supervisor,
    markFile: join(config.paths.runDir, 'stalled'),
    // That this is asked at all shows that the event loop turns; the claim loop must not hang in a pass.
    turning: () => features.dispatch.loop.stepMs < STUCK_MS,
    line: async () => options.redactor.clean(stateLine(await surfaces.status())),
  })
  const group = new ServiceGroup((service, error) => {
    const log = logger.child({ service: 'daemon' })
    log.warn({ failed: service.name, err: messageOf(error) }, 'a service did not stop in order')
  })
  return {
    async start() {
      await surfaces.remember()
      await group.start(surfaces.endpoint)
      await group.start(closing('database', () => database.close()))
      await group.start(database.backend)
      await group.start(closing('git', async () => features.gitProcess.stop()))
      await group.start(features.worktrees)
      await group.start(features.glance)
      await group.start(features.reconciler)
      await group.start(features.demand)
      await group.start(closing('listener', () => database.listener.stop()))
      await group.start(features.dispatch)
      await group.start(features.presence)
      await group.start(link)
    },
    async stop(goodbye) {
      await link.stop()
      void supervisor.notifyStopping()
      // No claim is begun any more; a statement under way need not be waited for.
      void features.dispatch.loop.stop()
      // Off the board within a second, then the calls in flight, then everything else in reverse.
      await features.presence.stop()
      // Whoever only waits for an answer is told how it stands.
      surfaces.questions.stop()
      await surfaces.host.drain(DRAIN_MS)
      surfaces.endpoint.goodbye(goodbye)
      // Git and du end first; what waits for them ends with them, and the next start takes it up again.
      const ended = features.worktrees.stop()
      await group.stop()
      await ended
    },
  }
}

/** Something with an end but no beginning of its own. */
function closing(name: string, stop: () => Promise<void>) {
  return { name, start: () => Promise.resolve(), stop }
}
