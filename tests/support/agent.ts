import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'

export interface AgentOptions {
  readonly name?: string
  readonly version?: string
  /** CLAUDE_CODE_SESSION_ID of the shim's environment. */
  readonly sessionId?: string
  readonly env?: Record<string, string>
  readonly cwd?: string
}

export type ToolAnswer = Record<string, unknown>

/** One agent session: the official MCP client over a shim process. */
export class Agent {
  readonly client: Client
  readonly #transport: StdioClientTransport
  stderr = ''

  private constructor(client: Client, transport: StdioClientTransport) {
    this.client = client
    this.#transport = transport
    transport.stderr?.on('data', (data) => {
      this.stderr += data
    })
  }

  static async connect(shim: string, env: Record<string, string>, options: AgentOptions): Promise<Agent> {
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [shim],
      env: {
        ...env,
        ...(options.sessionId === undefined ? {} : { CLAUDE_CODE_SESSION_ID: options.sessionId }),
        ...options.env,
      },
      stderr: 'pipe',
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    })
    const client = new Client({ name: options.name ?? 'test-agent', version: options.version ?? '1.0.0' })
    const agent = new Agent(client, transport)
    await client.connect(transport)
    return agent
  }

  get pid(): number {
    return this.#transport.pid ?? 0
  }

  /**
   * `structuredContent` of a call that must succeed. Once tools were listed (`client.listTools`), the client checks
   * it against the tool's output schema.
   */
  async call(
    name: string,
    args: Record<string, unknown> = {},
    options: CallOptions = {},
  ): Promise<ToolAnswer> {
    const result = await this.raw(name, args, options)
    if (result.isError === true) throw new Error(`${name}: ${textOf(result)}`)
    const content = result.structuredContent
    if (typeof content !== 'object' || content === null) throw new Error(`${name}: no structured content`)
    return { ...content }
  }

  /** The text of a call that must fail. */
  async fails(name: string, args: Record<string, unknown> = {}): Promise<string> {
    const result = await this.raw(name, args)
    if (result.isError !== true)
      throw new Error(`${name} did not fail: ${JSON.stringify(result.structuredContent)}`)
    return textOf(result)
  }

  raw(name: string, args: Record<string, unknown>, options: CallOptions = {}) {
    return this.client.callTool({ name, arguments: args }, undefined, {
      timeout: 120_000,
      ...options,
    })
  }

  close(): Promise<void> {
    return this.client.close()
  }
}

export interface CallOptions {
  readonly signal?: AbortSignal
  readonly timeout?: number
  readonly onprogress?: (progress: { message?: string | undefined }) => void
}

function textOf(result: Record<string, unknown>): string {
  const [first] = Array.isArray(result.content) ? result.content : []
  return typeof first?.text === 'string' ? first.text : JSON.stringify(result)
}
