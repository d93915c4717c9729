import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { announce, endWithParent } from './announce.ts'

/* What happens on a channel that everybody shares: other people's jobs come and change their state. */

endWithParent()
const [, , connectionString, perSecond = '200'] = process.argv
const client = new pg.Client({ connectionString })
await client.connect()
const everyMs = 1000 / Number(perSecond)
const start = performance.now()
announce('ready')
for (let serial = 1; ; serial += 1) {
  const type = serial % 2 === 0 ? 'claude_job_status' : 'claude_job_enqueued'
  const payload = { type, user_id: `stranger-${serial % 50}`, product_id: 'p', job_id: `job-${serial}` }
  const text = 'select pg_notify($1, $2)'
  await client.query({ name: 'noise', text, values: ['scrum4me_changes', JSON.stringify(payload)] })
  await sleep(Math.max(0, start + serial * everyMs - performance.now()))
}
