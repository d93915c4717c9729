import { dirname } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { delay } from '../../daemon/lifecycle/delay.ts'
import { until } from '../support/until.ts'
import { Laboratory } from './support/laboratory.ts'
import { leftovers, processesOf } from './support/leftovers.ts'
import { Nemesis } from './support/nemesis.ts'
import { chaosSeed, LONG, Random } from './support/random.ts'
import { verdict } from './support/verdict.ts'
import { Worker } from './support/worker.ts'

/** 400 take some two minutes on two cores and meet every fault. SCRUM4ME_CHAOS_JOBS: any other number. */
const JOBS = Number(process.env.SCRUM4ME_CHAOS_JOBS ?? (LONG ? 5_000 : 400))
const MACHINES = 3
const WORKERS_PER_MACHINE = 6
const ENV = {
  SCRUM4ME_LEASE_SECONDS: '4',
  SCRUM4ME_HEARTBEAT_SECONDS: '1',
  SCRUM4ME_SESSION_GRACE_SECONDS: '3',
}
/** In a run of 400 jobs. */
const FAULTS = {
  killShim: 60,
  stopShim: 40,
  killDaemon: 20,
  stopDaemon: 16,
  terminateDaemon: 8,
  killDatabase: 4,
  blackholeLink: 12,
  resetLink: 20,
  cancelJob: 24,
}
const WANTED = [
  ...['shim down', 'shim stopped', 'daemon killed', 'daemon stopped', 'daemon terminated'],
  ...['database killed', 'database link blackhole', 'database link reset', 'cancel', 'delivered again'],
]
const HABITS = { cancels: 0.1, vanishes: 0.04, commits: 0.4, scribbles: 0.15, runs: 0.3, thinksMs: 150 }

/** For the run itself; what is not over by then is told with what stood still. */
const DEADLINE_MS = LONG ? 3_000_000 : 720_000

let lab: Laboratory | undefined
afterEach(async () => {
  await lab?.close()
  lab = undefined
}, 180_000)

it(
  `loses no job and counts no report twice while everything fails (${JOBS} jobs)`,
  async () => {
    const random = new Random(chaosSeed('chaos'))
    const started = performance.now()
    lab = await Laboratory.make()
    const { history } = lab
    const shared = await lab.clone('shared')
    const own = await lab.clone('own')
    for (let n = 0; n < MACHINES; n += 1)
      await lab.machine(`m${n}`, n === MACHINES - 1 ? own.clone : shared.clone, ENV)
    for (const machine of lab.machines) await machine.start()
    await Promise.all(lab.machines.map((machine) => machine.ready()))

    const workers = lab.machines.flatMap((machine) =>
      Array.from({ length: WORKERS_PER_MACHINE }, () => new Worker(machine, history, random.fork(), HABITS)),
    )
    let calm = false
    const running = workers.map((worker) => worker.run(() => calm))
    const failed = Promise.all(running)
    history.add({ kind: 'phase', name: 'faults' })
    const nemesis = new Nemesis(lab, workers, random.fork(), {
      faults: scaled(JOBS / 400),
      jobs: JOBS * 0.95,
      longestMs: 6_000,
    })
    try {
      await Promise.race([feed(lab, nemesis), failed])
    } catch (error) {
      for (const worker of workers) worker.stop()
      throw error
    } finally {
      await nemesis.stop()
    }
    calm = true
    history.add({ kind: 'phase', name: 'calm' })
    const faultsFor = performance.now() - started
    for (const machine of lab.machines) if (machine.pid === null) await machine.start()
    const it = lab
    await Promise.race([
      until('every job has ended', async () => (await unfinished(it)) === 0, 120_000).catch(() => undefined),
      failed,
    ])
    for (const worker of workers) worker.stop()
    await failed
    history.add({ kind: 'phase', name: 'over' })

    const left = await reconciled(lab)
    const violations = await verdict(lab)
    console.log(
      `${JOBS} jobs, faults for ${Math.round(faultsFor / 1000)} s: ${JSON.stringify(history.counts())}`,
    )
    console.log(`ended as ${JSON.stringify(await lab.counts())}`)
    expect(violations).toEqual([])
    // A run in which nothing went wrong shows nothing.
    const counts = history.counts()
    if (JOBS >= 400) expect(WANTED.filter((kind) => counts[kind] === undefined)).toEqual([])
    expect(left).toEqual([])

    const { dir, server } = lab
    await lab.close()
    lab = undefined
    const ours = [dir, dirname(server.socketDir)]
    await until('nothing runs any more', async () => (await processesOf(...ours)).length === 0, 10_000).catch(
      () => undefined,
    )
    expect(await processesOf(...ours)).toEqual([])
  },
  DEADLINE_MS + 120_000,
)

function scaled(by: number): typeof FAULTS {
  const times = (fault: keyof typeof FAULTS) => Math.round(FAULTS[fault] * by)
  return {
    killShim: times('killShim'),
    stopShim: times('stopShim'),
    killDaemon: times('killDaemon'),
    stopDaemon: times('stopDaemon'),
    terminateDaemon: times('terminateDaemon'),
    killDatabase: times('killDatabase'),
    blackholeLink: times('blackholeLink'),
    resetLink: times('resetLink'),
    cancelJob: times('cancelJob'),
  }
}

/** Keeps a few jobs in the queue until all were there and nearly all have ended. */
async function feed(lab: Laboratory, nemesis: Nemesis): Promise<void> {
  let made = 0
  const end = performance.now() + DEADLINE_MS
  for (;;) {
    const { QUEUED = 0, CLAIMED = 0, RUNNING = 0 } = await lab.counts()
    const ended = made - QUEUED - CLAIMED - RUNNING
    nemesis.progress(ended)
    if (performance.now() > end)
      throw new Error(`not over in time: ${JSON.stringify({ made, ended, QUEUED, CLAIMED, RUNNING })}`)
    const more = Math.min(12 - QUEUED, JOBS - made)
    if (more > 0) {
      await lab.enqueue(more)
      made += more
    } else if (made === JOBS && made - ended < 10) return
    await delay(100)
  }
}

async function unfinished(lab: Laboratory): Promise<number> {
  const { QUEUED = 0, CLAIMED = 0, RUNNING = 0 } = await lab.counts()
  return QUEUED + CLAIMED + RUNNING
}

/** Has every machine clean up, and says what is left all the same. */
async function reconciled(lab: Laboratory): Promise<string[]> {
  let left: string[] = []
  await until(
    'nothing is left',
    async () => {
      await Promise.all(
        lab.machines.map(async (machine) => {
          const agent = await machine.agent(`sweeper-${machine.name}-${Math.random().toString(36).slice(2)}`)
          await agent.call('cleanup_my_worktrees', {}).result
          await machine.discard(agent)
        }),
      )
      left = await leftovers(lab)
      return left.length === 0
    },
    60_000,
  ).catch(() => undefined)
  return left
}
