import { Program } from '../ipc/run-program.ts'

export interface Answer {
  readonly id?: string | number | null
  readonly method?: string
  readonly params?: Record<string, unknown>
  readonly result?: Record<string, unknown> & { isError?: boolean; content?: { text: string }[] }
  readonly error?: { code: number; message: string }
}

/** A real shim process and the lines that go in and come out, one JSON-RPC message each. */
export class ShimSession {
  readonly program: Program
  #next = 1

  constructor(file: string, env: NodeJS.ProcessEnv, args: readonly string[] = []) {
    this.program = new Program(process.execPath, [file, ...args], { env: { ...process.env, ...env } })
  }

  /** Everything that came out so far; throws when a line is no JSON-RPC message. */
  get messages(): Answer[] {
    return this.program.lines.map((line) => {
      const message = JSON.parse(line)
      if (message.jsonrpc !== '2.0') throw new Error(`no JSON-RPC on stdout: ${line}`)
      return message
    })
  }

  write(text: string): void {
    this.program.child.stdin?.write(text)
  }

  send(message: object): void {
    this.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  }

  /** Sends a request; `answer` waits for what came back. */
  request(method: string, params: object = {}, id: string | number = this.#next++): string | number {
    this.send({ id, method, params })
    return id
  }

  call(name: string, args: object = {}): Promise<Answer> {
    return this.answer(this.request('tools/call', { name, arguments: args }))
  }

  async answer(id: string | number | null): Promise<Answer> {
    return this.message(({ id: answered, method }) => answered === id && method === undefined)
  }

  async message(matches: (message: Answer) => boolean): Promise<Answer> {
    for (;;) {
      const found = this.messages.find(matches)
      if (found !== undefined) return found
      await this.program.nextLine()
    }
  }

  async initialize(params: object = {}): Promise<Answer> {
    const client = {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'test', version: '1' },
    }
    const answer = await this.answer(this.request('initialize', { ...client, ...params }))
    this.send({ method: 'notifications/initialized' })
    return answer
  }
}
