import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import {
  CallToolRequestSchema,
  ListPromptsRequestSchema,
  ListToolsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { Endpoint, type EndpointLimits, type EndpointOptions } from '../../daemon/ipc/endpoint.ts'
import type { SessionConnection } from '../../daemon/ipc/session-connection.ts'
import { delay } from '../../daemon/lifecycle/delay.ts'
import { createLogger } from '../../daemon/logger.ts'
import type { Paths } from '../../daemon/paths.ts'
import { Redactor } from '../../daemon/redact.ts'
import { SERVER_CAPABILITIES, SERVER_INFO } from '../../daemon/tools/server-info.ts'
import { VERSION } from '../../daemon/version.ts'

export interface TestEndpoint {
  readonly endpoint: Endpoint
  readonly log: string[]
  readonly sessions: SessionConnection[]
  /** Calls as they began: `name` with arguments, in order. */
  readonly calls: TestCall[]
}

export interface TestEndpointOptions
  extends Partial<Pick<EndpointOptions, 'onControl' | 'onReplaced' | 'onSession'>> {
  readonly limits?: Partial<EndpointLimits>
  readonly catalog?: string
  onCall?(call: TestCall): void
  /** Default true: `sessions` holds every connection, also closed ones. */
  readonly keepsSessions?: boolean
}

export interface TestCall {
  readonly name: string
  readonly args: Record<string, unknown>
}

/** The real endpoint with a small MCP server per session; no database behind it. */
export function testEndpoint(paths: Paths, options: TestEndpointOptions = {}): TestEndpoint {
  const log: string[] = []
  const sessions: SessionConnection[] = []
  const calls: TestEndpoint['calls'] = []
  const redactor = new Redactor()
  redactor.add('top-secret')
  const endpoint = new Endpoint({
    paths,
    logger: createLogger('info', { write: (line) => void log.push(line) }),
    redactor,
    welcome: () => ({ protocol: 1, version: VERSION, pid: process.pid, catalog: options.catalog ?? 'test' }),
    onSession(connection) {
      if (options.keepsSessions !== false) sessions.push(connection)
      void serve(connection, (call) => {
        calls.push(call)
        options.onCall?.(call)
      })
    },
    onControl: async (request) => ({ echo: request.params, method: request.method }),
    ...options,
  })
  return { endpoint, log, sessions, calls }
}

/** Tools: echo, meta, big (bytes), progress (count), wait (ms), hold (for ever, if TEST_HOLDS), log, changed, pid, memory. */
async function serve(connection: SessionConnection, begun: (call: TestCall) => void): Promise<void> {
  const server = new Server(SERVER_INFO, { capabilities: SERVER_CAPABILITIES })
  server.setRequestHandler(ListToolsRequestSchema, async () => ({
    tools: [{ name: 'echo', inputSchema: { type: 'object' } }],
  }))
  server.setRequestHandler(ListPromptsRequestSchema, async () => ({ prompts: [] }))
  server.setRequestHandler(CallToolRequestSchema, async (request, extra) => {
    const args = request.params.arguments ?? {}
    const { name } = request.params
    begun({ name, args })
    const text = (value: unknown) => ({ content: [{ type: 'text' as const, text: JSON.stringify(value) }] })
    if (name === 'big') return { content: [{ type: 'text', text: 'x'.repeat(Number(args.bytes)) }] }
    if (name === 'pid') return text(process.pid)
    if (name === 'meta') return text(request.params._meta ?? null)
    if (name === 'memory') {
      globalThis.gc?.()
      return text(process.memoryUsage.rss())
    }
    if (name === 'changed') await server.sendToolListChanged()
    if (name === 'log') await server.sendLoggingMessage({ level: 'warning', data: args })
    if (name === 'progress') {
      const progressToken = request.params._meta?.progressToken
      for (let progress = 1; progressToken !== undefined && progress <= Number(args.count); progress += 1) {
        await extra.sendNotification({
          method: 'notifications/progress',
          params: { progressToken, progress },
        })
        // The SDK's client forgets a call's progress when its answer comes in the same chunk.
        await delay(20)
      }
    }
    if (name === 'hold' && process.env.TEST_HOLDS === '1') await delay(600_000, extra.signal)
    if (name === 'wait') {
      await delay(Number(args.ms ?? 60_000), extra.signal)
      begun({ name: extra.signal.aborted ? 'wait aborted' : 'wait over', args })
    }
    return text(args)
  })
  await server.connect(connection.transport)
}
