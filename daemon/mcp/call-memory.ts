import { createHash } from 'node:crypto'
import { appendFile, mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type CallToolResult, CallToolResultSchema, type RequestId } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import { messageOf } from '../errors.ts'

/** How long what a connection did is remembered after its end (contract 7), ms. */
const REMEMBER_MS = 10 * 60_000
/** Mutations remembered of one connection; a shim never re-sends more than are unanswered at once. */
const MAX_CALLS = 1024

const LINE = z.object({
  id: z.string(),
  tool: z.string(),
  result: CallToolResultSchema.optional(),
})

interface Call {
  /** On which socket it came; null: to an earlier daemon. */
  readonly socket: string | null
  /** Null: begun by a daemon that died before it could note the result. */
  readonly result: Promise<CallToolResult> | null
}

interface Connection {
  readonly calls: Map<string, Call>
  open: number
  forget: NodeJS.Timeout | undefined
}

/** The call was not begun: without a note of it, a repetition after a crash would do it twice. */
export class NotNotedError extends Error {
  constructor(cause: unknown) {
    super(messageOf(cause), { cause })
  }
}

/**
 * At most once for tool calls that change something, across reconnects and crashes. Under the key
 * (connection id, request id) a call is noted on disk before it begins and again with its result:
 * finished → the stored result, still running → the same run, cut off by a crash → `unknown`.
 * The connection id names one shim process; a respawned shim counts its requests from 0 under a new one.
 */
export class CallMemory {
  readonly #directory: string
  readonly #unknown: (tool: string) => CallToolResult
  readonly #connections = new Map<string, Connection>()

  constructor(directory: string, unknown: (tool: string) => CallToolResult) {
    this.#directory = directory
    this.#unknown = unknown
  }

  /** Reads what an earlier daemon noted; its connections count as ended now. */
  async load(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    for (const name of await readdir(this.#directory)) {
      const key = name.replace(/\.jsonl$/, '')
      const text = await readFile(join(this.#directory, name), 'utf8').catch(() => '')
      const connection = this.#connection(key)
      for (const line of text.split('\n')) {
        const noted = parseLine(line)
        if (noted === undefined) continue
        const { result } = noted
        connection.calls.set(noted.id, {
          socket: null,
          result: result === undefined ? null : Promise.resolve(result),
        })
      }
      this.#end(key, connection)
    }
  }

  opened(connectionId: string): void {
    const connection = this.#connection(keyOf(connectionId))
    connection.open += 1
    clearTimeout(connection.forget)
  }

  closed(connectionId: string): void {
    const key = keyOf(connectionId)
    const connection = this.#connections.get(key)
    if (connection === undefined) return
    connection.open -= 1
    if (connection.open <= 0) this.#end(key, connection)
  }

  /**
   * Runs a mutation unless this key has run before. A request id used again on one and the same socket is
   * another call of a careless client: only a new socket of the same shim repeats what it has no answer to.
   */
  run(
    connectionId: string,
    socket: string,
    requestId: RequestId,
    tool: string,
    call: () => Promise<CallToolResult>,
  ): Promise<CallToolResult> {
    const key = keyOf(connectionId)
    const connection = this.#connection(key)
    const id = JSON.stringify(requestId)
    const before = connection.calls.get(id)
    if (before !== undefined && before.socket !== socket)
      return before.result ?? Promise.resolve(this.#unknown(tool))
    const running = this.#begin(key, id, tool, call)
    connection.calls.delete(id)
    connection.calls.set(id, { socket, result: running })
    // A note that could not be made: the call never began and may be asked for again.
    running.catch(() => connection.calls.delete(id))
    for (const oldest of connection.calls.keys()) {
      if (connection.calls.size <= MAX_CALLS) break
      connection.calls.delete(oldest)
    }
    return running
  }

  async #begin(key: string, id: string, tool: string, call: () => Promise<CallToolResult>) {
    const file = join(this.#directory, `${key}.jsonl`)
    // Not flushed to the disk: a power cut ends the shim too, and with it everyone who could ask again.
    // The newline first: a note cut off by a crash must not swallow the next one.
    await appendFile(file, `\n${JSON.stringify({ id, tool })}`, { mode: 0o600 }).catch((error: unknown) => {
      throw new NotNotedError(error)
    })
    const result = await call()
    // The result stands whether or not it could be noted; only a crash right now would call it unknown.
    await appendFile(file, `\n${JSON.stringify({ id, tool, result })}`).catch(() => undefined)
    return result
  }

  #connection(key: string): Connection {
    let connection = this.#connections.get(key)
    if (connection === undefined) {
      connection = { calls: new Map(), open: 0, forget: undefined }
      this.#connections.set(key, connection)
    }
    return connection
  }

  #end(key: string, connection: Connection): void {
    clearTimeout(connection.forget)
    connection.forget = setTimeout(() => {
      this.#connections.delete(key)
      void rm(join(this.#directory, `${key}.jsonl`), { force: true }).catch(() => undefined)
    }, REMEMBER_MS)
    connection.forget.unref()
  }
}

/** A peer chooses its connection id; a file name must not follow it anywhere. */
function keyOf(connectionId: string): string {
  return createHash('sha256').update(connectionId).digest('hex').slice(0, 32)
}

/** A torn last line is a note that was never finished, and what it would have noted never began. */
function parseLine(line: string): z.output<typeof LINE> | undefined {
  try {
    return LINE.safeParse(JSON.parse(line)).data
  } catch {
    return undefined
  }
}
