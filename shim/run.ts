import { Relay } from './relay.ts'
import { Output, readLines } from './stdio.ts'

export interface ShimOptions {
  /** Arguments after the program's name: `[mcp] [--home DIR]`. */
  readonly argv: readonly string[]
  readonly env: NodeJS.ProcessEnv
}

/**
 * One MCP session on stdin and stdout. Resolves when the session is over: stdin ended, nobody reads
 * stdout, or a signal asked for it; the caller then exits. Never because the daemon went away.
 */
export function runShim(options: ShimOptions): Promise<void> {
  return new Promise((over) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => over())
    const output = new Output(process.stdout, over)
    const relay = new Relay({
      write: (json) => output.write(json),
      connect: async (events, initialize) => {
        // What stands behind this import costs start-up time, which a session has once `initialize` is answered.
        const { Link } = await import('./link.ts')
        return new Link({ ...options, initialize, output }, events)
      },
    })
    readLines(process.stdin, {
      line: (line) => relay.fromClient(line),
      tooLong: () => relay.unreadable(),
      congested: () => relay.congested,
      end: () => output.flush(over),
    })
  })
}
