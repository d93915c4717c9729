import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import type { Tenant } from '../world/tenant.ts'
import type { World } from '../world/world.ts'
import { PER_SESSION_SERVER, sessionEnvironment } from './session-environment.ts'

/** Sessions of the other kind, all of them waiting for a job. */
export class PerSessionServers {
  readonly #clients: readonly Client[]
  readonly pids: readonly number[]

  private constructor(clients: readonly Client[], pids: readonly number[]) {
    this.#clients = clients
    this.pids = pids
  }

  static async start(world: World, tenant: Tenant, count: number): Promise<PerSessionServers> {
    const env = await sessionEnvironment(world, tenant)
    const clients: Client[] = []
    const pids: number[] = []
    const open = async () => {
      const client = new Client({ name: 'bench', version: '1.0.0' })
      const transport = new StdioClientTransport({
        command: process.execPath,
        args: [PER_SESSION_SERVER],
        env,
        stderr: 'inherit',
      })
      await client.connect(transport)
      clients.push(client)
      pids.push(transport.pid ?? 0)
      // The same call as ours make before they wait: what it loads is loaded.
      await client.callTool({ name: 'health', arguments: {} })
      client
        .callTool({ name: 'wait_for_job', arguments: { wait_seconds: 600 } }, undefined, { timeout: 600_000 })
        .catch(() => undefined)
    }
    while (clients.length < count) {
      await Promise.all(Array.from({ length: Math.min(2, count - clients.length) }, open))
    }
    return new PerSessionServers(clients, pids)
  }

  get count(): number {
    return this.#clients.length
  }

  async stop(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()))
  }
}
