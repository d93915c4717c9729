import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

/** Node processes that have started and do nothing: the least that a session in Node can take. */
export class IdleNodes {
  readonly #children: readonly ChildProcess[]

  private constructor(children: readonly ChildProcess[]) {
    this.#children = children
  }

  static async start(count: number): Promise<IdleNodes> {
    const script = "process.stdout.write('.'); setInterval(() => {}, 1e6)"
    const children = Array.from({ length: count }, () =>
      spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] }),
    )
    await Promise.all(children.map((child) => once(child.stdout, 'data')))
    return new IdleNodes(children)
  }

  get pids(): number[] {
    return this.#children.flatMap(({ pid }) => pid ?? [])
  }

  async stop(): Promise<void> {
    const running = this.#children.filter(
      ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
    )
    const gone = running.map((child) => once(child, 'exit'))
    for (const child of running) child.kill('SIGKILL')
    await Promise.all(gone)
  }
}
