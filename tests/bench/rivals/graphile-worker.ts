import { Logger, run } from 'graphile-worker'
import { announce, endWithParent } from './announce.ts'

/* graphile-worker as its documentation starts one: a runner in its own process, woken by LISTEN. */

endWithParent()
const [, , connectionString = ''] = process.argv
await run({
  connectionString,
  concurrency: 1,
  noHandleSignals: true,
  logger: new Logger(() => () => undefined),
  taskList: { bench: async () => announce('started') },
})
announce('ready')
