import { dirname } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { delay } from '../../daemon/lifecycle/delay.ts'
import { until } from '../support/until.ts'
import { check, type Evidence, timeline } from './support/check.ts'
import { Laboratory } from './support/laboratory.ts'
import { leftovers, processesOf } from './support/leftovers.ts'
import { Nemesis } from './support/nemesis.ts'
import { chaosSeed, LONG, Random } from './support/random.ts'
import { Worker } from './support/worker.ts'

const JOBS = LONG ? 5_000 : Number(process.env.JOBS ?? 400)
const MACHINES = 3
const WORKERS_PER_MACHINE = 4
const ENV = {
  SCRUM4ME_LEASE_SECONDS: '4',
  SCRUM4ME_HEARTBEAT_SECONDS: '1',
  SCRUM4ME_SESSION_GRACE_SECONDS: '3',
}
const HABITS = { cancels: 0.1, vanishes: 0.04, commits: 0.4, scribbles: 0.15, runs: 0.3, thinksMs: 150 }

let lab: Laboratory | undefined
afterEach(async () => {
  await lab?.close()
  lab = undefined
})

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
      killShim: 900,
      stopShim: 1_200,
      killDaemon: 4_000,
      stopDaemon: 5_000,
      terminateDaemon: 9_000,
      killDatabase: 15_000,
      blackhole: 7_000,
      reset: 3_000,
      cancelJob: 2_500,
      longestMs: 6_000,
    })
    if (!process.env.CALM) nemesis.start()
    try {
      await Promise.race([feed(lab, JOBS), failed])
    } finally {
      await nemesis.stop()
    }
    calm = true
    history.add({ kind: 'phase', name: 'calm' })
    const faultsFor = performance.now() - started
    for (const machine of lab.machines) if (machine.pid === null) await machine.start()
    const it = lab
    await Promise.race([
      until('every job has ended', async () => (await unfinished(it)) === 0, 60_000).catch(() => undefined),
      failed,
    ])
    for (const worker of workers) worker.stop()
    await failed
    history.add({ kind: 'phase', name: 'over' })

    const left = await reconciled(lab)
    const instances = new Map<string, string>()
    for (const machine of lab.machines) instances.set(machine.name, (await machine.instanceId()) ?? '')
    const evidence: Evidence = { history, audit: await lab.audit(), jobs: await lab.jobs(), instances }
    const violations = check(evidence)
    console.log(
      `${JOBS} jobs, faults for ${Math.round(faultsFor / 1000)} s: ${JSON.stringify(history.counts())}`,
    )
    console.log(`ended as ${JSON.stringify(await lab.counts())}`)
    for (const job of new Set(violations.slice(0, 5).map((one) => one.job)))
      console.log(`${job}\n${timeline(evidence, job)}`)
    expect(violations).toEqual([])
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
  LONG ? 3_600_000 : 300_000,
)

/** Keeps a few jobs in the queue until all were there and nearly all have ended. */
async function feed(lab: Laboratory, jobs: number): Promise<void> {
  let made = 0
  for (;;) {
    const counts = await lab.counts()
    const queued = counts.QUEUED ?? 0
    const more = Math.min(12 - queued, jobs - made)
    if (more > 0) {
      await lab.enqueue(more)
      made += more
    } else if (made === jobs && (await unfinished(lab)) < 10) return
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
    20_000,
  ).catch(() => undefined)
  return left
}
