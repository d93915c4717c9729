/** What a fleet does by the contract's own numbers, before anything is measured. */
export interface Load {
  readonly machines: number
  readonly users: number
  /** Heartbeats a second: each machine one every five seconds. */
  readonly beats: number
  /** Leases renewed a second: one with each beat of a machine that holds a job. */
  readonly leases: number
  readonly jobs: number
  /** Notifications a second: enqueued, CLAIMED, RUNNING and the final state of each job. */
  readonly notifications: number
  /** PostgreSQL hands every notification to every connection that listens in the database. */
  readonly deliveries: number
  /** Of an idle machine: the one that listens and the one that beats. */
  readonly connections: number
}

const HEARTBEAT_S = 5
/** Share of machines that hold a job at any time. */
export const HOLDING = 0.2
/** Jobs a machine does in an hour: with that share three minutes each. */
const JOBS_AN_HOUR = 4
const NOTIFICATIONS_A_JOB = 4
const MACHINES_A_USER = 10

export function loadOf(machines: number): Load {
  const jobs = (machines * JOBS_AN_HOUR) / 3600
  const notifications = jobs * NOTIFICATIONS_A_JOB
  return {
    machines,
    users: machines / MACHINES_A_USER,
    beats: machines / HEARTBEAT_S,
    leases: (machines * HOLDING) / HEARTBEAT_S,
    jobs,
    notifications,
    deliveries: notifications * machines,
    connections: machines * 2,
  }
}

/** Measured here, of one piece each. CPU in ms of one core, WAL in bytes. */
export interface UnitCosts {
  readonly beat: { readonly cpu: number; readonly wal: number }
  readonly lease: { readonly cpu: number; readonly wal: number }
  /** A job's whole way: enqueue, all claim attempts, report. */
  readonly job: { readonly cpu: number; readonly wal: number }
  /** One notification at one listening connection. */
  readonly delivery: { readonly cpu: number }
}

/** Cores and MB of WAL a second that a load asks of the database server. */
export function demand(
  load: Load,
  unit: UnitCosts,
): { cores: number; walMbS: number; deliveryCores: number } {
  const cpu = load.beats * unit.beat.cpu + load.leases * unit.lease.cpu + load.jobs * unit.job.cpu
  const wal = load.beats * unit.beat.wal + load.leases * unit.lease.wal + load.jobs * unit.job.wal
  return {
    cores: cpu / 1000,
    walMbS: wal / 2 ** 20,
    deliveryCores: (load.deliveries * unit.delivery.cpu) / 1000,
  }
}
