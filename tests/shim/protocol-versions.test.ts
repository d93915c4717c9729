import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import { SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/sdk/types.js'
import { expect, onTestFinished, test } from 'vitest'
import { MCP_VERSIONS } from '../../daemon/wire/mcp-versions.ts'
import { tempHome } from '../ipc/temp-home.ts'
import { testEndpoint } from '../ipc/test-endpoint.ts'
import { bundledShim } from './bundled-shim.ts'
import { ShimSession } from './shim-session.ts'

const shim = bundledShim()

/** The official client, made to ask for one version. */
class AskFor extends StdioClientTransport {
  version = ''
  negotiated: string | undefined

  override send(message: JSONRPCMessage): Promise<void> {
    if (!('method' in message) || message.method !== 'initialize') return super.send(message)
    return super.send({ ...message, params: { ...message.params, protocolVersion: this.version } })
  }

  setProtocolVersion(version: string): void {
    this.negotiated = version
  }
}

test.each([
  ...MCP_VERSIONS,
])('the official client works with protocol %s, down to the daemon', async (version) => {
  const paths = await tempHome()
  const { endpoint, calls } = testEndpoint(paths)
  await endpoint.start()
  onTestFinished(() => endpoint.stop())
  const client = new Client({ name: 'old', version: '0' })
  const transport = new AskFor({
    command: process.execPath,
    args: [shim.file],
    env: { PATH: process.env.PATH ?? '', SCRUM4ME_HOME: paths.home },
  })
  transport.version = version
  await client.connect(transport)
  onTestFinished(() => client.close())
  expect(transport.negotiated).toBe(version)
  await client.ping()
  expect((await client.listTools()).tools.length).toBeGreaterThan(0)
  expect((await client.listPrompts()).prompts).toBeDefined()
  expect(await client.callTool({ name: 'echo', arguments: { version } })).toMatchObject({
    content: [{ type: 'text', text: JSON.stringify({ version }) }],
  })
  expect(calls).toHaveLength(1)
})

test('an unknown version is answered with the newest, and ours are all known to the SDK', async () => {
  const session = new ShimSession(shim.file, { SCRUM4ME_HOME: '/nowhere' })
  expect((await session.initialize({ protocolVersion: '1999-01-01' })).result?.protocolVersion).toBe(
    MCP_VERSIONS[0],
  )
  expect(SUPPORTED_PROTOCOL_VERSIONS).toEqual(expect.arrayContaining([...MCP_VERSIONS]))
})
