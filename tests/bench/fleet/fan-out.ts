import pg from 'pg'
import type { ServerCost } from './server-cost.ts'

const NOTIFICATIONS = 400
/** A listening connection's own memory and start are not what is measured; a few at a time. */
const AT_ONCE = 25

/** What one notification costs the server for each connection that listens: ms of processor time. */
export async function fanOut(url: string, cost: ServerCost, listeners: number): Promise<{ cpu: number }> {
  const notifier = new pg.Client({ connectionString: url, application_name: 'bench' })
  await notifier.connect()
  const clients: pg.Client[] = []
  let heard = 0
  try {
    const alone = await burst(notifier, cost, () => Promise.resolve())
    while (clients.length < listeners) {
      const some = Array.from({ length: Math.min(AT_ONCE, listeners - clients.length) }, async () => {
        const client = new pg.Client({ connectionString: url, application_name: 'bench' })
        client.on('notification', () => {
          heard += 1
        })
        await client.connect()
        await client.query('listen scrum4me_changes')
        return client
      })
      clients.push(...(await Promise.all(some)))
    }
    const heardAll = async () => {
      while (heard < NOTIFICATIONS * clients.length) await new Promise((resolve) => setTimeout(resolve, 10))
    }
    const together = await burst(notifier, cost, heardAll)
    return { cpu: Math.max(0, together - alone) / (NOTIFICATIONS * clients.length) }
  } finally {
    await Promise.all([notifier, ...clients].map((client) => client.end()))
  }
}

/** ms of the server's processor time for a number of notifications, each a transaction of its own. */
async function burst(
  notifier: pg.Client,
  cost: ServerCost,
  arrived: () => Promise<unknown>,
): Promise<number> {
  const { cpu } = await cost.of(async () => {
    for (let n = 0; n < NOTIFICATIONS; n += 1) {
      const payload = JSON.stringify({ type: 'claude_job_status', user_id: 'stranger', job_id: `job-${n}` })
      await notifier.query({
        name: 'n',
        text: 'select pg_notify($1, $2)',
        values: ['scrum4me_changes', payload],
      })
    }
    await arrived()
  })
  return cpu ?? 0
}
