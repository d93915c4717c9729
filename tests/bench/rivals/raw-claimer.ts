import pg from 'pg'
import { announce, endWithParent } from './announce.ts'

/*
 * The floor of any queue on PostgreSQL in Node: one connection that listens, one that claims with a prepared
 * statement, and nothing else at all.
 */

endWithParent()
const [, , url] = process.argv
const listener = new pg.Client({ connectionString: url })
const claimer = new pg.Client({ connectionString: url })
await Promise.all([listener.connect(), claimer.connect()])

async function claim(): Promise<void> {
  for (;;) {
    const { rowCount } = await claimer.query({
      name: 'claim',
      text: `update bench_raw set claimed = true
              where id = (select id from bench_raw where not claimed order by id limit 1 for update skip locked)
             returning id`,
    })
    if (rowCount !== 1) return
    announce('started')
  }
}

await claim()
listener.on('notification', () => void claim())
await listener.query('listen bench_raw')
announce('ready')
