import pg from 'pg'
import { announce, endWithParent } from './announce.ts'

/* What happens on a channel that everybody shares: other people's jobs come and change their state. */

endWithParent()
const [, , connectionString, perSecond = '200'] = process.argv
const client = new pg.Client({ connectionString })
await client.connect()
let serial = 0
setInterval(() => {
  serial += 1
  const type = serial % 2 === 0 ? 'claude_job_status' : 'claude_job_enqueued'
  const payload = { type, user_id: `stranger-${serial % 50}`, product_id: 'p', job_id: `job-${serial}` }
  const text = 'select pg_notify($1, $2)'
  void client.query({ name: 'noise', text, values: ['scrum4me_changes', JSON.stringify(payload)] })
}, 1000 / Number(perSecond))
announce('ready')
