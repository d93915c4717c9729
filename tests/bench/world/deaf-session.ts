import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { SHIM } from '../../support/installation.ts'

/** A session whose client asks and asks and never reads an answer. */
export class DeafSession {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  /** `requests`: how many lists of all tools, some 50 KB each, it asks for. */
  static async start(env: Record<string, string>, requests: number): Promise<DeafSession> {
    const child = spawn(process.execPath, [SHIM], { env, stdio: ['pipe', 'pipe', 'inherit'] })
    const send = (message: object) => child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
    const params = {
      protocolVersion: '2025-06-18',
      capabilities: {},
      clientInfo: { name: 'deaf', version: '1' },
    }
    send({ id: 0, method: 'initialize', params })
    await once(child.stdout, 'data')
    send({ method: 'notifications/initialized' })
    // Answered by the daemon: from now on it is connected.
    send({ id: 1, method: 'tools/call', params: { name: 'health', arguments: {} } })
    await once(child.stdout, 'data')
    child.stdout.pause()
    for (let id = 2; id < requests + 2; id += 1) send({ id, method: 'tools/list' })
    // The last of them has left: from now on answers pile up.
    await new Promise((done) => child.stdin.write('\n', done))
    return new DeafSession(child)
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }
}
