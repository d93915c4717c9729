import { type ChildProcess, fork } from 'node:child_process'
import { program } from './programs.ts'

/** Another process that fills the channel of a database with notifications for other people. */
export class Noise {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  static async start(url: string, perSecond: number): Promise<Noise> {
    const child = fork(program('rivals/noise-maker.js'), [url, String(perSecond)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    await new Promise((resolve, reject) => {
      child.once('message', resolve)
      child.once('exit', (code) => reject(new Error(`the noise maker ended with ${code}`)))
    })
    return new Noise(child)
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGKILL')
    await ended
  }
}
