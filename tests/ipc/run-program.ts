import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { onTestFinished } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface CompiledProgram {
  readonly file: string
  remove(): Promise<void>
}

/** Bundles a TypeScript program of the tests so that any Node can run it in a process of its own. */
export async function compileProgram(source: string): Promise<CompiledProgram> {
  const outdir = join(root, 'node_modules/.cache', `scrum4me-test-${process.pid}-${basename(source, '.ts')}`)
  await build({
    entryPoints: [source],
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'silent',
  })
  return {
    file: join(outdir, `${basename(source, '.ts')}.mjs`),
    remove: () => rm(outdir, { recursive: true, force: true }),
  }
}

/** A child process that is gone when the test is, and whose stdout lines can be awaited. */
export class Program {
  readonly child: ChildProcess
  readonly lines: string[] = []
  /** Its exit code or signal, once all that it said is in `lines`: a process can be gone before its last line is read. */
  readonly exited: Promise<number | string>
  #ended = false
  #waiting: (() => void)[] = []

  constructor(command: string, args: readonly string[], options: SpawnOptions = {}) {
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], ...options })
    this.exited = once(this.child, 'close').then(([code, signal]) => code ?? signal)
    if (this.child.stdout !== null) {
      createInterface({ input: this.child.stdout }).on('line', (line) => {
        this.lines.push(line)
        for (const wake of this.#waiting.splice(0)) wake()
      })
    }
    void this.exited.then(() => {
      this.#ended = true
      for (const wake of this.#waiting.splice(0)) wake()
    })
    onTestFinished(async () => {
      this.child.kill('SIGKILL')
      await this.exited
    })
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  /** The first line that matches, now or later; throws when the process ends without one. */
  async line(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = this.lines.find((line) => pattern.test(line))
      if (found !== undefined) return found
      await this.nextLine()
    }
  }

  /** Resolves at the next line; throws when the process has ended. */
  async nextLine(): Promise<void> {
    if (this.#ended) throw new Error(`exited (${await this.exited}) after:\n${this.lines.join('\n')}`)
    await new Promise<void>((wake) => this.#waiting.push(wake))
  }
}
