import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import {
  CallToolResultSchema,
  LoggingMessageNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { expect, onTestFinished, test } from 'vitest'
import type { Paths } from '../../daemon/paths.ts'
import { tempHome } from '../ipc/temp-home.ts'
import { testEndpoint } from '../ipc/test-endpoint.ts'
import { until } from '../support/until.ts'
import { bundledShim } from './bundled-shim.ts'

const shim = bundledShim()

async function connect(paths: Paths): Promise<Client> {
  const client = new Client({ name: 'round-trip', version: '1.2' })
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [shim.file],
    env: { ...process.env, SCRUM4ME_HOME: paths.home } as Record<string, string>,
  })
  onTestFinished(() => client.close())
  await client.connect(transport)
  return client
}

test('calls, progress, log messages, list changes and cancellation cross both hops', async () => {
  const paths = await tempHome()
  const { endpoint, sessions, calls } = testEndpoint(paths)
  await endpoint.start()
  onTestFinished(() => endpoint.stop())
  const client = await connect(paths)
  const logged: unknown[] = []
  client.setNotificationHandler(
    LoggingMessageNotificationSchema,
    ({ params }) => void logged.push(params.data),
  )
  let changes = 0
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
    changes += 1
  })

  expect(await client.callTool({ name: 'echo', arguments: { a: 'ë\u2028' } })).toMatchObject({
    content: [{ text: '{"a":"ë\u2028"}' }],
  })
  expect(sessions[0]?.hello).toMatchObject({
    clientName: 'round-trip',
    clientVersion: '1.2',
    cwd: process.cwd(),
    clientProcess: { pid: process.pid },
  })

  const progress: number[] = []
  await client.callTool({ name: 'progress', arguments: { count: 5 } }, CallToolResultSchema, {
    onprogress: (update) => void progress.push(update.progress),
  })
  expect(progress).toEqual([1, 2, 3, 4, 5])

  await client.callTool({ name: 'log', arguments: { what: 'this' } })
  await until('the log message', () => logged.length === 1)
  expect(logged).toEqual([{ what: 'this' }])

  await client.callTool({ name: 'changed' })
  await until('the list change', () => changes === 1)

  const cancel = new AbortController()
  const waiting = client.callTool({ name: 'wait' }, CallToolResultSchema, { signal: cancel.signal })
  await until('the wait begins', () => calls.some(({ name }) => name === 'wait'))
  cancel.abort()
  await expect(waiting).rejects.toThrow()
  await until('the wait is aborted', () => calls.some(({ name }) => name === 'wait aborted'))
})
