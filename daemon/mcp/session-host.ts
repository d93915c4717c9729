import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js'
import {
  CallToolRequestSchema,
  type CallToolResult,
  ErrorCode,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListToolsRequestSchema,
  McpError,
  type ServerNotification,
  type ServerRequest,
} from '@modelcontextprotocol/sdk/types.js'
import { DaemonError, messageOf, toDaemonError } from '../errors.ts'
import type { SessionConnection } from '../ipc/session-connection.ts'
import type { Logger } from '../logger.ts'
import type { SessionRegistry } from '../sessions/registry.ts'
import type { Session } from '../sessions/session.ts'
import { callTool } from '../tools/call.ts'
import type { Catalog } from '../tools/catalog.ts'
import type { ToolContext } from '../tools/context.ts'
import { getPrompt, listPrompts } from '../tools/prompts.ts'
import { SERVER_CAPABILITIES, SERVER_INFO, SERVER_INSTRUCTIONS } from '../tools/server-info.ts'
import type { Tool } from '../tools/tool.ts'
import { WAITED_MS } from '../wire/protocol.ts'
import { type CallMemory, NotNotedError } from './call-memory.ts'
import { type Delivered, DeliveryTap } from './delivery-tap.ts'

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>

/** A call's surroundings that only the connection knows. */
export interface CallSite {
  readonly session: Session
  readonly signal: AbortSignal
  /** How long the client had been waiting when the call came here: for a daemon, or with an earlier one. */
  readonly waitedMs: number
  progress(message: string): void
  /** Resolves with what became of this call's answer. */
  answerDelivered(): Promise<Delivered>
}

export interface SessionHostOptions {
  readonly sessions: SessionRegistry
  readonly memory: CallMemory
  readonly tools: ReadonlyMap<string, Tool>
  catalog(): Catalog
  context(site: CallSite): ToolContext
  readonly logger: Logger
}

/** Calls that may run again after a crash: reads, and those that the dispatch itself makes safe to repeat. */
const REPEATABLE = new Set(['wait_for_job', 'update_job_status', 'job_heartbeat', 'cleanup_my_worktrees'])

/** One SDK server per connection, over the connection's transport: the shim only forwards. */
export class SessionHost {
  readonly #options: SessionHostOptions
  readonly #servers = new Map<string, Set<Server>>()
  readonly #running = new Set<Promise<unknown>>()
  #draining = false

  constructor(options: SessionHostOptions) {
    this.#options = options
  }

  /** Serves a welcomed connection until it closes. */
  accept(connection: SessionConnection): void {
    this.#serve(connection).catch((error: unknown) => {
      this.#options.logger.error({ err: messageOf(error) }, 'a session could not be served')
      connection.close('the daemon could not serve this session')
    })
  }

  /** Tells a session something at once, as an MCP log message. */
  notify(sessionKey: string, text: string): void {
    for (const server of this.#servers.get(sessionKey) ?? []) {
      server.sendLoggingMessage({ level: 'warning', logger: 'scrum4me', data: text }).catch(() => undefined)
    }
  }

  /** The tools this daemon serves have changed. */
  catalogChanged(): void {
    for (const servers of this.#servers.values()) {
      for (const server of servers) server.sendToolListChanged().catch(() => undefined)
    }
  }

  /**
   * From now on new calls stay unanswered: their shims send them again to the next daemon. Resolves
   * when the calls that run have ended or `ms` are over.
   */
  async drain(ms: number): Promise<void> {
    this.#draining = true
    let timer: NodeJS.Timeout | undefined
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, ms)
    })
    await Promise.race([Promise.allSettled(this.#running), late])
    clearTimeout(timer)
  }

  async #serve(connection: SessionConnection): Promise<void> {
    const { sessions, memory, logger } = this.#options
    const { hello } = connection
    // Two connections of one shim may overlap for a moment; each is filed under a name of its own.
    const name = `${hello.connectionId} ${Math.random()}`
    memory.opened(hello.connectionId)
    const session = await sessions.connect(name, hello)
    const { key } = session.ref
    const tap = new DeliveryTap(connection.transport, () => this.#draining)
    const server = new Server(SERVER_INFO, {
      capabilities: SERVER_CAPABILITIES,
      instructions: SERVER_INSTRUCTIONS,
    })
    tap.usePing(() => server.ping())
    this.#handle(server, tap, key, { id: hello.connectionId, socket: name })
    const servers = this.#servers.get(key) ?? new Set()
    this.#servers.set(key, servers.add(server))
    logger.debug({ session: key, pid: hello.pid, client: hello.clientName }, 'session connected')
    void connection.closed.then((reason) => {
      servers.delete(server)
      if (servers.size === 0) this.#servers.delete(key)
      memory.closed(hello.connectionId)
      sessions.close(name)
      logger.debug({ session: key, reason: reason.detail }, 'session connection closed')
    })
    await server.connect(tap)
  }

  #handle(server: Server, tap: DeliveryTap, key: string, connection: { id: string; socket: string }): void {
    server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: this.#options.catalog().tools }))
    server.setRequestHandler(ListPromptsRequestSchema, () => ({ prompts: listPrompts() }))
    server.setRequestHandler(GetPromptRequestSchema, ({ params }) => {
      try {
        return getPrompt(params.name, params.arguments)
      } catch (error) {
        // Prompts have no error result as tools have: the code is JSON-RPC's, the words are ours.
        throw error instanceof DaemonError ? new McpError(ErrorCode.InvalidParams, error.text) : error
      }
    })
    server.setRequestHandler(CallToolRequestSchema, async (request, extra) => {
      // Never answered: the shim sends it again after reconnecting.
      if (this.#draining) return new Promise<CallToolResult>(() => undefined)
      const { name, arguments: args } = request.params
      const tool = this.#options.tools.get(name)
      const listed = this.#options.catalog().tools.some((entry) => entry.name === name)
      if (tool === undefined || !listed) {
        throw new McpError(ErrorCode.InvalidParams, `There is no tool ${name.slice(0, 80)} here`)
      }
      const context = this.#options.context(this.#site(key, tap, extra))
      const call = () => callTool(tool, args, context)
      const once = !tool.annotations.readOnlyHint && !REPEATABLE.has(name)
      const result = once
        ? this.#options.memory
            .run(connection.id, connection.socket, extra.requestId, name, call)
            .catch((error: unknown) => notBegun(name, error, context))
        : call()
      if (name !== 'wait_for_job') this.#track(result)
      return result
    })
  }

  #track(result: Promise<unknown>): void {
    this.#running.add(result)
    const done = () => this.#running.delete(result)
    result.then(done, done)
  }

  #site(key: string, tap: DeliveryTap, extra: Extra): CallSite {
    const session = this.#options.sessions.get(key)
    if (session === undefined) throw new Error('a call of a session that is not registered')
    const token = extra._meta?.progressToken
    const waited = waitedMs(extra)
    // It must grow for one token; an earlier daemon's was below the seconds it took (`while-waiting.ts`).
    let progress = Math.ceil(waited / 1_000)
    return {
      session,
      signal: extra.signal,
      waitedMs: waited,
      progress(message) {
        if (token === undefined || extra.signal.aborted) return
        progress += 1
        extra
          .sendNotification({
            method: 'notifications/progress',
            params: { progressToken: token, progress, message },
          })
          .catch(() => undefined)
      },
      answerDelivered: () => tap.expect(extra.requestId),
    }
  }
}

function waitedMs({ _meta }: Extra): number {
  const told = _meta?.[WAITED_MS]
  return typeof told === 'number' && told > 0 ? told : 0
}

/** On a full disk, for instance. What else went wrong is not known to have changed nothing. */
function notBegun(name: string, error: unknown, { clean }: Pick<ToolContext, 'clean'>): CallToolResult {
  if (!(error instanceof NotNotedError)) throw error
  const { code, message, remedy } = toDaemonError(error.cause)
  const what = `${name} was not begun, because it could not be noted on disk; nothing was changed. ${message}`
  const { text } = new DaemonError(code, what, remedy, error)
  return { isError: true, content: [{ type: 'text', text: clean(text) }] }
}
