import { ensureHome } from '../../../daemon/ipc/ensure-home.ts'
import { takeInstanceLock } from '../../../daemon/ipc/instance-lock.ts'
import type { Logger } from '../../../daemon/logger.ts'
import { resolvePaths } from '../../../daemon/paths.ts'

// A daemon reduced to what this part builds: home, instance lock, endpoint. Prints what became of it:
// `serving <pid>`, or `held <pid of the holder>` and exit 75. SIGTERM: planned restart; SIGINT: stop.
const none = () => undefined
const quiet: Logger = { debug: none, info: none, warn: none, error: none, fatal: none, child: () => quiet }
const paths = resolvePaths(process.env)
await ensureHome(paths)
const lock = await takeInstanceLock(paths, {
  logger: quiet,
  onLost: (reason) => console.log(`lost ${reason}`),
})
if ('heldBy' in lock) {
  console.log(`held ${lock.heldBy}`)
  process.exit(75)
}
// Loaded by the winner alone: many start at once.
const { testEndpoint } = await import('../test-endpoint.ts')
const { endpoint, calls } = testEndpoint(paths, {
  catalog: process.env.TEST_CATALOG ?? 'test',
  keepsSessions: false,
  limits: { tickMs: Number(process.env.TEST_TICK_MS ?? 1_000) },
  onReplaced: (detail) => console.log(`replaced ${detail}`),
  onCall: ({ name, args }) => console.log(`call ${name} ${JSON.stringify(args)}`),
})
await endpoint.start()
console.log(`serving ${process.pid}`)

async function end(reason: 'restart' | 'stop'): Promise<void> {
  endpoint.goodbye(reason)
  await endpoint.stop()
  if (!('heldBy' in lock)) await lock.release()
  console.log(`ended after ${calls.length} calls`)
  process.exit(0)
}
process.on('SIGTERM', () => void end('restart'))
process.on('SIGINT', () => void end('stop'))
