import { newId } from '../../../daemon/db/new-id.ts'
import type { Sql } from '../../../daemon/db/sql.ts'
import { type Bench, times } from '../bench.ts'
import { count, type Figure, ms, plain } from '../figure.ts'
import { summarise } from '../samples.ts'
import { demand, HOLDING, loadOf, type UnitCosts } from './arithmetic.ts'
import { fanOut } from './fan-out.ts'
import { each, Life } from './life.ts'
import { type Member, populate, sharedPool } from './population.ts'
import { ServerCost } from './server-cost.ts'
import { SimulatedMachine, type Tally } from './simulated-machine.ts'
import { Switchboard } from './switchboard.ts'

const MACHINES = 2_000
const MACHINES_A_USER = 10
/** Connections that the machines share here; 4,000 of their own would not fit into this computer. */
const CONNECTIONS = 24
const WATCH_S = 30
/** Jobs come faster than in a day's work, to have more of them. */
const HASTE = 5
/** Jobs of each user after which its machines know that they are several. */
const ACQUAINTED = 6
/** A notification that wakes more machines than this for one job is a herd. */
const FEW_ATTEMPTS = 2

/** 2,000 machines of 200 users on one PostgreSQL: the daemon's own statements at their own pace, without the daemons. */
export const fleet: Bench = {
  name: 'fleet',
  async run(world, sizes, cleanup) {
    const { pool, url } = await world.tenant()
    const users = Math.ceil(times(sizes, MACHINES, 100) / MACHINES_A_USER)
    const members = await populate(pool, users, MACHINES_A_USER)
    const shared = cleanup.own(sharedPool(url, CONNECTIONS), (made) => made.end())
    const tally: Tally = { beats: [], claims: 0, claimed: new Map() }
    const all = members.flatMap((member) => machinesOf(member, shared, tally))
    cleanup.own(await Switchboard.start(url, all), (made) => made.stop())
    const cost = new ServerCost(world.server, pool)
    const life = new Life(all, members, pool, tally)

    await each(all, (machine) => machine.register())
    // The first beats plan statements and write whole pages; they are not counted.
    await life.everyBeat()
    const beat = await life.perPiece(cost, () => life.everyBeat(), all.length)
    await life.hold(HOLDING)
    await life.everyBeat()
    const busy = await life.perPiece(cost, () => life.everyBeat(), all.length)
    await life.finishAll()
    const jobs = times(sizes, 300, 30)
    await life.acquaint(ACQUAINTED)
    let single = { attempts: 0, pickup: [] as number[] }
    const job = await life.perPiece(
      cost,
      async () => {
        single = await life.oneByOne(jobs)
      },
      jobs,
    )
    const seconds = Math.max(10, WATCH_S * Math.min(1, sizes.scale))
    const watched = await life.watch(cost, seconds, loadOf(all.length).jobs * HASTE)
    const storm = await life.storm(cost)
    const delivery = await fanOut(url, cost, times(sizes, 200, 20))

    const unit: UnitCosts = {
      beat,
      lease: {
        cpu: Math.max(0, busy.cpu - beat.cpu) / HOLDING,
        wal: Math.max(0, busy.wal - beat.wal) / HOLDING,
      },
      job,
      delivery,
    }
    return {
      figures: [
        plain(`heartbeats a second, ${all.length} machines`, count('taken', watched.beatsASecond)),
        plain('a heartbeat, p50', ms('answered', watched.beat.p50)),
        plain('a heartbeat, p99', ms('answered', watched.beat.p99)),
        plain('claim attempts per job, jobs one by one', count('ours', single.attempts), FEW_ATTEMPTS),
        plain('claim attempts per job, daily life', count('ours', watched.attempts), FEW_ATTEMPTS),
        plain('pickup, p50', ms('ours', watched.pickup.p50)),
        plain('pickup, p99', ms('ours', watched.pickup.p99)),
        plain('a job for every machine at once: claims a second', count('taken', storm.claimsASecond)),
        plain(
          'database in daily life: cores',
          count('used', (watched.spent.cpu ?? 0) / watched.spent.seconds / 1000),
        ),
        plain(
          'database in daily life: MB of WAL a second',
          count('written', watched.spent.wal / 2 ** 20 / watched.spent.seconds),
        ),
        ...unitFigures(unit),
        ...[2_000, 10_000, 100_000].flatMap((machines) => outlook(machines, unit)),
      ],
      series: {
        'heartbeat, ms': watched.beat,
        'enqueue to claimed in daily life, ms': watched.pickup,
        'enqueue to claimed, jobs one by one, ms': summarise(single.pickup),
      },
    }
  },
}

function unitFigures(unit: UnitCosts): Figure[] {
  return [
    plain('one heartbeat: database CPU', ms('used', unit.beat.cpu)),
    plain('one heartbeat: WAL bytes', count('written', Math.round(unit.beat.wal))),
    plain('one lease renewed: database CPU', ms('used', unit.lease.cpu)),
    plain('one lease renewed: WAL bytes', count('written', Math.round(unit.lease.wal))),
    plain('one job, enqueue to report: database CPU', ms('used', unit.job.cpu)),
    plain('one job, enqueue to report: WAL bytes', count('written', Math.round(unit.job.wal))),
    plain('one notification at one listener: database CPU', ms('used', unit.delivery.cpu)),
  ]
}

/** Arithmetic with what was measured here. */
function outlook(machines: number, unit: UnitCosts): Figure[] {
  const load = loadOf(machines)
  const { cores, walMbS, deliveryCores } = demand(load, unit)
  const name = machines.toLocaleString('en')
  return [
    plain(`${name} machines: cores for statements`, count('computed', cores)),
    plain(`${name} machines: cores for notifications`, count('computed', deliveryCores)),
    plain(`${name} machines: MB of WAL a second`, count('computed', walMbS)),
  ]
}

function machinesOf(member: Member, sql: Sql, tally: Tally): SimulatedMachine[] {
  const { userId, productId } = member
  return member.tokenIds.map(
    (tokenId) => new SimulatedMachine({ userId, tokenId, instanceId: newId() }, productId, sql, tally),
  )
}
