import { type ChildProcess, fork } from 'node:child_process'
import { sharedNow } from '../world/clock.ts'
import { program } from '../world/programs.ts'

const READY_MS = 30_000
const START_MS = 10_000

/** A rival's or floor's worker in a process of its own, that tells when it began a job. */
export class QueueProgram {
  readonly #child: ChildProcess
  readonly #waiting: ((at: number) => void)[] = []

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  static async start(name: string, url: string): Promise<QueueProgram> {
    const child = fork(program(`rivals/${name}.js`), [url], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    const made = new QueueProgram(child)
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${name} was not ready in time`)), READY_MS)
      child.on('exit', (code) => reject(new Error(`${name} ended with ${code}`)))
      child.on('message', (message) => {
        if (!isMessage(message)) return
        clearTimeout(timer)
        if (message.what === 'ready') resolve()
        else made.#waiting.shift()?.(message.at)
      })
    })
    return made
  }

  /** ms from before `enqueue` is called to the moment at which the worker's code for the job begins. */
  async pickup(enqueue: () => Promise<unknown>): Promise<number> {
    let timer: NodeJS.Timeout | undefined
    const started = new Promise<number>((resolve, reject) => {
      timer = setTimeout(() => reject(new Error('a job was not started in time')), START_MS)
      this.#waiting.push(resolve)
    })
    const from = sharedNow()
    const [at] = await Promise.all([started, enqueue()])
    clearTimeout(timer)
    return at - from
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGKILL')
    await ended
  }
}

function isMessage(value: unknown): value is { what: 'ready' | 'started'; at: number } {
  return typeof value === 'object' && value !== null && 'what' in value && 'at' in value
}
