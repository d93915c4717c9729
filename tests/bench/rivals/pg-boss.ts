import { PgBoss } from 'pg-boss'
import { announce, endWithParent } from './announce.ts'

/* pg-boss at its fastest: LISTEN/NOTIFY on, and its shortest poll behind it. */

endWithParent()
const [, , connectionString = ''] = process.argv
const boss = new PgBoss({ connectionString, useListenNotify: true })
boss.on('error', () => process.exit(1))
await boss.start()
await boss.createQueue('bench', { notify: true })
await boss.work('bench', { pollingIntervalSeconds: 0.5, notifyPollingIntervalSeconds: 0.5 }, async () =>
  announce('started'),
)
announce('ready')
