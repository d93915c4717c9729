import { Command, CommanderError, Option } from 'commander'
import { DaemonError, toDaemonError } from '../errors.ts'
import { relativeLocations, resolvePaths } from '../paths.ts'
import { VERSION } from '../version.ts'
import { withHome } from '../wire/daemon-command.ts'
import type { Actions } from './commands/actions.ts'
import { addDaemonCommands } from './commands/daemon-commands.ts'
import { addDatabaseCommands } from './commands/database-commands.ts'
import { addJobCommands } from './commands/job-commands.ts'
import { directory } from './commands/options.ts'
import { addSetupCommands } from './commands/setup-commands.ts'
import { addWorktreeCommands } from './commands/worktree-commands.ts'
import { EXIT, exitCodeOf } from './exit.ts'
import { addHelp } from './help.ts'
import type { Invocation } from './invocation.ts'
import { printable } from './style.ts'
import type { Terminal } from './terminal.ts'

export interface CliEnvironment {
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string
  readonly terminal: Terminal
}

/** Runs one command line (without node and script) and answers its exit code; never throws. */
export async function runCli(args: readonly string[], environment: CliEnvironment): Promise<number> {
  let code: number = EXIT.ok
  const program = buildProgram(environment, (result) => {
    code = result
  })
  try {
    await program.parseAsync([...args], { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    const failure = toDaemonError(error)
    const { home } = program.opts<{ home?: string }>()
    const text = withHome(failure.text, resolvePaths(environment.env, { home }))
    environment.terminal.err(text.split('\n').map(printable).join('\n'))
    return exitCodeOf(failure)
  }
}

/** The whole command line. Each action loads its own module, so that a command costs only itself. */
export function buildProgram(environment: CliEnvironment, done: (code: number) => void): Command {
  const { terminal, env, cwd } = environment
  const program = new Command('scrum4me-daemon')
  program
    .description('Per-machine daemon through which coding agents take jobs from Scrum4Me.')
    .version(VERSION, '-V, --version', 'print the version')
    .addOption(
      new Option(
        '--home <dir>',
        'home of the installation (default: $SCRUM4ME_HOME or ~/.scrum4me)',
      ).argParser(directory),
    )
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.raw(text),
      writeErr: (text) => terminal.err(text.trimEnd()),
    })
    .showHelpAfterError('(add --help for usage)')

  const invocation = (): Invocation => {
    const { home } = program.opts<{ home?: string }>()
    return { terminal, env, cwd, home, paths: resolvePaths(env, { home }) }
  }
  const actions: Actions = {
    look:
      (run) =>
      async (...args) =>
        done(await run(invocation(), ...args)),
    act:
      (run) =>
      async (...args) => {
        const on = invocation()
        const [name] = relativeLocations(env, on)
        if (name !== undefined) throw notAbsolute(name)
        done(await run(on, ...args))
      },
  }
  addDaemonCommands(program, actions)
  addJobCommands(program, actions)
  addWorktreeCommands(program, actions)
  addDatabaseCommands(program, actions)
  addSetupCommands(program, actions)
  addHelp(program)
  return program
}

function notAbsolute(name: string): DaemonError {
  return new DaemonError(
    'VALIDATION_ERROR',
    `${name} is no absolute path; nothing was done`,
    'Write the whole path, beginning with / or ~/',
  )
}
