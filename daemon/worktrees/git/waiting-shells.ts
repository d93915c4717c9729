import { type ChildProcess, spawn } from 'node:child_process'

/** git and one beside it, or two in a row. */
const SHELLS = 2
/** Without a command for so long, the next ones are started: never beside one that somebody waits for. ms */
const QUIET_MS = 20

/**
 * Shells that wait to become a command. Most of the time that a short command takes goes by before its program
 * begins: Node forks all of itself. A shell that is there already needs a line on its stdin. They end with this
 * process, whatever ends it, because their stdin does.
 */
export class WaitingShells {
  readonly #env: Readonly<Record<string, string>>
  readonly #waiting: ChildProcess[] = []
  #timer: NodeJS.Timeout | undefined

  /** `env`: what most commands will run with. */
  constructor(env: Readonly<Record<string, string>>) {
    this.#env = env
  }

  /**
   * A process, leader of its group, that becomes the command; stdin is empty, stdout and stderr are pipes.
   * Undefined: none waits. Exit codes 126 and 127: it could not be started. `started` hears the process's id before
   * the command begins.
   */
  become(
    command: string,
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    started?: (pid: number) => void,
  ): ChildProcess | undefined {
    this.#fillWhenQuiet()
    // No shell reads it, and nobody starts it.
    if ([command, ...args, ...Object.values(env)].some((text) => text.includes('\0'))) return undefined
    const shell = this.#waiting.pop()
    if (shell === undefined) return undefined
    shell.ref()
    // Whoever ends this process now leaves a shell without a command, which ends too.
    if (shell.pid !== undefined) started?.(shell.pid)
    shell.stdin?.end(`${this.#changes(env)}exec ${[command, ...args].map(quoted).join(' ')} </dev/null\n`)
    return shell
  }

  #changes(env: Readonly<Record<string, string>>): string {
    const gone = Object.keys(this.#env).filter((name) => env[name] === undefined)
    const other = Object.entries(env).filter(([name, value]) => this.#env[name] !== value)
    return [
      ...gone.map((name) => `unset ${name};`),
      ...other.map(([name, value]) => `export ${name}=${quoted(value)};`),
    ].join('')
  }

  #fillWhenQuiet(): void {
    if (this.#timer !== undefined) {
      this.#timer.refresh()
      return
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      while (this.#waiting.length < SHELLS && this.#start()) {}
    }, QUIET_MS)
    this.#timer.unref()
  }

  #start(): boolean {
    const shell = spawn('sh', [], { cwd: '/', env: { ...this.#env }, stdio: 'pipe', detached: true })
    const leave = () => {
      const place = this.#waiting.indexOf(shell)
      if (place >= 0) this.#waiting.splice(place, 1)
    }
    shell.on('error', leave)
    shell.on('exit', leave)
    // A shell that ended says so by its exit code.
    shell.stdin.on('error', () => undefined)
    if (shell.pid === undefined) return false
    shell.unref()
    this.#waiting.push(shell)
    return true
  }
}

/** One word of a shell, whatever is in it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
