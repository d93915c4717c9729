import type { Command } from 'commander'
import type { Actions } from './actions.ts'
import { count, type Json, json } from './options.ts'

/** The daemon as a process: running it, looking at it. */
export function addDaemonCommands(program: Command, { act, look }: Actions): void {
  program.commandsGroup('The daemon:')
  program
    .command('run')
    .description('run the daemon in the foreground; what systemd and launchd execute')
    .action(look(async (on) => (await import('../run.ts')).run(on)))
  program
    .command('mcp')
    .description('the stdio MCP shim, one per agent session')
    // main.ts hands `mcp` over before this is loaded; here it stands for --help and completion.
    .action(() => undefined)

  program
    .command('start')
    .description('start the daemon: through its service if installed, else detached')
    .action(act(async (on) => (await import('../start.ts')).start(on)))
  program
    .command('stop')
    .description('stop the daemon and return when it is gone')
    .action(act(async (on) => (await import('../stop.ts')).stop(on)))
  program
    .command('restart')
    .description('let calls in flight finish, then restart; sessions reconnect by themselves')
    .action(act(async (on) => (await import('../restart.ts')).restart(on)))
  program
    .command('status')
    .description('say whether all is well and, if not, why; changes nothing')
    .addOption(json())
    .option('--watch', 'redraw every second until interrupted')
    .action(
      look(async (on, options: Json & { watch?: boolean }) =>
        (await import('../status.ts')).status(on, options),
      ),
    )
  program
    .command('logs')
    .description("show the daemon's log and say where it is")
    .option('-f, --follow', 'go on showing new lines')
    .option('-n, --lines <N>', 'how many lines', count(0, 100_000), 50)
    .option('--raw', 'as written, one JSON object a line')
    .action(
      act(async (on, options: { follow?: boolean; lines: number; raw?: boolean }) =>
        (await import('../logs.ts')).logs(on, options),
      ),
    )
  program
    .command('config')
    .description('show effective settings and where each comes from, secrets masked')
    .addOption(json())
    .action(look(async (on, options: Json) => (await import('../config.ts')).config(on, options)))
}
