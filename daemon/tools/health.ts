import { z } from 'zod'
import { VERSION } from '../version.ts'
import { defineTool } from './tool.ts'

export const health = defineTool({
  name: 'health',
  title: 'Health of the daemon',
  description:
    'Says whether the Scrum4Me daemon of this machine runs and whether its database answers. Use it when another tool failed and you want to know if trying again makes sense; it needs no token and works while the database is down. worker_status has the details.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  tables: [],
  input: z.object({}),
  output: z.object({
    status: z.enum(['ok', 'degraded']).describe('degraded: the daemon runs, the database does not answer.'),
    version: z.string().describe('Version of the daemon.'),
    time: z.string().describe("The daemon's clock, ISO 8601 in UTC."),
    database: z.enum(['ok', 'down']).describe('Whether the database answers now.'),
  }),
  async call(_input, context) {
    const database = await context.database()
    return {
      status: database === 'ok' ? ('ok' as const) : ('degraded' as const),
      version: VERSION,
      time: new Date().toISOString(),
      database,
    }
  },
})
