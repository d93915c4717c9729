import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { silentLogger } from '../../../daemon/logger.ts'
import type { Judge } from '../../../daemon/worktrees/reconcile.ts'
import { Worktrees } from '../../../daemon/worktrees/worktrees.ts'

/**
 * An engine in a process of its own, so that it can be killed. Arguments: one JSON object. Prints `ready`, waits
 * for a line on stdin if asked to, then one JSON line per result.
 */
interface Order {
  readonly parentDir: string
  readonly stateDir: string
  readonly instanceId: string
  readonly repoRoot: string
  readonly home: string
  readonly path: string
  readonly create: readonly string[]
  readonly remove: readonly string[]
  readonly restore: readonly string[]
  readonly spares: boolean
  /** Every job has ended. */
  readonly reconcile: boolean
  readonly waits: boolean
  /** Dies just before the nth change of a file or directory; 0: lives. */
  readonly dieAtFileStep: number
}

const order: Order = JSON.parse(process.argv[2] ?? '{}')
let steps = 0
for (const name of ['rename', 'writeFile', 'mkdir', 'mkdtemp', 'rm', 'rmdir', 'open', 'symlink'] as const) {
  const real: unknown = fs[name]
  if (typeof real !== 'function') continue
  Reflect.set(fs, name, (...args: unknown[]) => {
    steps += 1
    if (steps === order.dieAtFileStep) process.kill(process.pid, 'SIGKILL')
    return Reflect.apply(real, fs, args)
  })
}
syncBuiltinESMExports()

const judge: Judge = async (jobIds) =>
  new Map(
    jobIds.map((jobId) => [jobId, { action: 'remove', branch: 'delete', reason: 'ended', ended: 'FAILED' }]),
  )

const engine = new Worktrees({
  parentDir: order.parentDir,
  stateDir: order.stateDir,
  instanceId: order.instanceId,
  salvageMaxBytes: 2 ** 30,
  minFreeDiskBytes: 0,
  spares: order.spares,
  logger: silentLogger,
  env: { PATH: order.path, HOME: order.home },
})
console.log('ready')
if (order.waits) await new Promise((go) => process.stdin.once('data', go))
const results = await Promise.all([
  ...order.create.map((jobId) => engine.create({ jobId, repoRoot: order.repoRoot })),
  ...order.remove.map((jobId) => engine.remove({ jobId, branch: 'delete' })),
  ...order.restore.map((jobId) => engine.restore({ jobId })),
  ...(order.reconcile ? [engine.reconcile(judge, [order.repoRoot], 'leave')] : []),
])
for (const result of results) console.log(JSON.stringify(result))
await engine.stop()
process.exit(0)
