import { readFile } from 'node:fs/promises'
import { freemem } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Agent } from '../../support/agent.ts'
import { cloneWithOrigin } from '../../support/git.ts'
import { Installation } from '../../support/installation.ts'
import { until } from '../../support/until.ts'
import { type Bench, type Sizes, times } from '../bench.ts'
import { count, type Figure, type Findings, mb, plain, ratio } from '../figure.ts'
import { PerSessionServers } from '../rivals/per-session-servers.ts'
import type { Cleanup } from '../world/cleanup.ts'
import { DatabaseCounters } from '../world/database-counters.ts'
import { IdleNodes } from '../world/idle-nodes.ts'
import { Machine } from '../world/machine.ts'
import { cpuMs, PROCESSES_TELL, pssMb, rssMb, tree } from '../world/processes.ts'
import type { Tenant } from '../world/tenant.ts'
import type { World } from '../world/world.ts'

const SESSIONS = 50
const MANY = 200
/** Sessions that are there before "one more" is measured, so that what a first one costs is not in it. */
const FIRST = 10
/** How long everybody is watched doing nothing, s. */
const WATCH_S = 20
/** Statistics of the database server arrive with this delay after the last statement, s. */
const SETTLE_S = 12
/** MB a per-session server takes, roughly: how many of them this machine has room for. */
const SERVER_MB = 160

/**
 * What sessions cost that only wait: memory, connections, transactions, processor time. Four worlds wait at
 * the same time: 1 and 200 sessions of ours on the shared server, 50 with the embedded one, and 50 servers
 * of the other kind.
 */
export const idle: Bench = {
  name: 'idle',
  async run(world, sizes, cleanup) {
    const counters = cleanup.own(await DatabaseCounters.connect(world.server.url('postgres')), (made) =>
      made.close(),
    )
    const embedded = await Embedded.make(cleanup)
    const memory = PROCESSES_TELL ? await embedded.memoryOfOneMore(sizes, cleanup) : null
    const one = await waitingMachine(world, cleanup, 1)
    const many = await waitingMachine(world, cleanup, times(sizes, MANY))
    const rivals = await waitingServers(world, cleanup, times(sizes, SESSIONS))
    await sleep(SETTLE_S * 1000)

    const databases = [one, many, rivals.tenant].map(({ database }) => database)
    const before = await counters.transactions(databases)
    const cpuBefore = PROCESSES_TELL ? await cpuMs(embedded.pid) : 0
    const from = performance.now()
    await sleep(Math.max(10, WATCH_S * Math.min(1, sizes.scale * 2)) * 1000)
    const elapsedMs = performance.now() - from
    const cpu = PROCESSES_TELL ? (((await cpuMs(embedded.pid)) - cpuBefore) / elapsedMs) * 100 : null
    const after = await counters.transactions(databases)
    const aMinute = after.map((n, index) => ((n - (before[index] ?? 0)) * 60_000) / elapsedMs)
    const connections = await counters.connections(databases)

    const figures: Figure[] = []
    if (memory !== null) figures.push(...(await memoryFigures(memory, embedded, rivals.servers)))
    figures.push(...databaseFigures(times(sizes, MANY), rivals.servers.count, connections, aMinute))
    if (cpu !== null) {
      figures.push(
        plain('idle daemon, 50 sessions: one core', { label: 'ours', value: cpu, unit: '%' }, 0.5),
        plain(
          'idle daemon, 50 sessions: RSS',
          mb('ours', await rssMb(embedded.pid)),
          120,
          'after its sessions have called tools that load Prisma',
        ),
      )
    }
    return { figures, series: {} } satisfies Findings
  },
}

function databaseFigures(many: number, rivals: number, connections: number[], aMinute: number[]): Figure[] {
  const [c1 = 0, cMany = 0, cRivals = 0] = connections
  const [t1 = 0, tMany = 0, tRivals = 0] = aMinute
  return [
    plain('database connections, 1 waiting session', count('ours', c1), 4),
    plain(`database connections, ${many} waiting sessions`, count('ours', cMany), 4),
    ratio('the same', count(`ours for ${many}`, cMany), count(`per-session servers for ${rivals}`, cRivals)),
    plain('transactions a minute, 1 waiting session', count('ours', t1), 30),
    plain(`transactions a minute, ${many} waiting sessions`, count('ours', tMany), 30),
    ratio('the same', count(`ours for ${many}`, tMany), count(`per-session servers for ${rivals}`, tRivals)),
  ]
}

interface Memory {
  readonly session: number
  readonly node: number
}

async function memoryFigures(
  memory: Memory,
  embedded: Embedded,
  servers: PerSessionServers,
): Promise<Figure[]> {
  const ours = await pssMb(await embedded.pids())
  const theirs = (await pssMb(servers.pids)) * (SESSIONS / servers.count)
  const scaled = servers.count === SESSIONS ? '' : `, from ${servers.count}`
  return [
    ratio(
      'memory of one more session (PSS)',
      mb('ours, daemon included', memory.session),
      mb('an idle node', memory.node),
      1.5,
    ),
    ratio(
      `${SESSIONS} sessions + daemon + database (PSS)`,
      mb('ours', ours),
      mb(`${SESSIONS} per-session servers${scaled}`, theirs),
      0.15,
      'the other side without its part of the database server, ours with all of it',
    ),
  ]
}

/** A machine without any database but its own. */
class Embedded {
  readonly #installation: Installation
  readonly #agents: Agent[] = []

  private constructor(installation: Installation) {
    this.#installation = installation
  }

  static async make(cleanup: Cleanup): Promise<Embedded> {
    const installation = cleanup.own(await Installation.make(), (made) => made.remove())
    await installation.start()
    const { clone } = await cloneWithOrigin(installation.dir)
    await installation.json('init', clone)
    return new Embedded(installation)
  }

  get pid(): number {
    return this.#installation.daemon?.pid ?? 0
  }

  /** Daemon, shims, and every process of the database server. */
  async pids(): Promise<number[]> {
    const file = join(this.#installation.home, 'data', 'cluster', 'postmaster.pid')
    const postmaster = Number.parseInt(await readFile(file, 'utf8'), 10)
    return [this.pid, ...this.#agents.map(({ pid }) => pid), ...(await tree(postmaster))]
  }

  /** Opens the sessions, all waiting at the end, and compares what the later ones take with as many idle nodes. */
  async memoryOfOneMore(sizes: Sizes, cleanup: Cleanup): Promise<Memory> {
    const sessions = times(sizes, SESSIONS, FIRST + 2)
    await this.#open(FIRST)
    // What a session's usual calls load is loaded.
    for (const agent of this.#agents) await agent.call('list_products')
    const begin = await this.#settledPss()
    await this.#open(sessions)
    const session = ((await this.#settledPss()) - begin) / (sessions - FIRST)
    const nodes = cleanup.own(await IdleNodes.start(sessions), (made) => made.stop())
    const [first, all] = [await pssMb(nodes.pids.slice(0, FIRST)), await pssMb(nodes.pids)]
    const node = (all - first) / (sessions - FIRST)
    await nodes.stop()
    return { session, node }
  }

  async #open(count: number): Promise<void> {
    while (this.#agents.length < count) {
      const agent = await this.#installation.agent()
      this.#agents.push(agent)
      void agent.call('wait_for_job', { wait_seconds: 600 }, { timeout: 600_000 }).catch(() => undefined)
    }
    await until('all wait', async () => {
      const { sessions } = await this.#installation.status()
      return sessions.filter(({ activity }) => activity === 'waiting').length === count
    })
  }

  async #settledPss(): Promise<number> {
    await sleep(1_000)
    return pssMb(await this.pids())
  }
}

async function waitingMachine(world: World, cleanup: Cleanup, sessions: number): Promise<Tenant> {
  const tenant = await world.tenant()
  const machine = cleanup.own(await Machine.make(tenant), (made) => made.remove())
  await machine.product()
  await machine.start()
  for (const agent of await machine.agents(sessions)) void machine.wait(agent).catch(() => undefined)
  await machine.waiting(sessions)
  return tenant
}

async function waitingServers(world: World, cleanup: Cleanup, wanted: number) {
  const tenant = await world.tenant()
  const room = Math.floor((freemem() / 2 ** 20 - 1024) / SERVER_MB)
  const servers = cleanup.own(
    await PerSessionServers.start(world, tenant, Math.max(2, Math.min(wanted, room))),
    (made) => made.stop(),
  )
  return { tenant, servers }
}
