import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { DaemonError, toDaemonError } from '../errors.ts'
import { relativeLocations, resolvePaths } from '../paths.ts'
import { VERSION } from '../version.ts'
import { withHome } from '../wire/daemon-command.ts'
import { EXIT, exitCodeOf } from './exit.ts'
import { addHelp, refuseUnknown } from './help.ts'
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
  /** An action that says by itself what is wrong with the settings: its result is the exit code. */
  const look =
    <A extends unknown[]>(run: (invocation: Invocation, ...args: A) => Promise<number>) =>
    async (...args: A): Promise<void> =>
      done(await run(invocation(), ...args))
  /** Any other action. */
  const act =
    <A extends unknown[]>(run: (invocation: Invocation, ...args: A) => Promise<number>) =>
    async (...args: A): Promise<void> => {
      const on = invocation()
      const [name] = relativeLocations(env, on)
      if (name !== undefined) throw notAbsolute(name)
      done(await run(on, ...args))
    }
  type Json = { json?: boolean }
  const json = () => new Option('--json', 'print one JSON document and nothing else')

  program
    .command('run')
    .description('run the daemon in the foreground; what systemd and launchd execute')
    .action(look(async (on) => (await import('./run.ts')).run(on)))
  program
    .command('mcp')
    .description('the stdio MCP shim, one per agent session')
    // main.ts hands `mcp` over before this is loaded; here it stands for --help and completion.
    .action(() => undefined)

  program
    .command('start')
    .description('start the daemon: through its service if installed, else detached')
    .action(act(async (on) => (await import('./start.ts')).start(on)))
  program
    .command('stop')
    .description('stop the daemon and return when it is gone')
    .action(act(async (on) => (await import('./stop.ts')).stop(on)))
  program
    .command('restart')
    .description('let calls in flight finish, then restart; sessions reconnect by themselves')
    .action(act(async (on) => (await import('./restart.ts')).restart(on)))
  program
    .command('status')
    .description('say whether all is well and, if not, why; changes nothing')
    .addOption(json())
    .option('--watch', 'redraw every second until interrupted')
    .action(
      look(async (on, options: Json & { watch?: boolean }) =>
        (await import('./status.ts')).status(on, options),
      ),
    )
  program
    .command('logs')
    .description("show the daemon's log and say where it is")
    .option('-f, --follow', 'go on showing new lines')
    .option('-n, --lines <N>', 'how many lines', count(1, 100_000), 50)
    .option('--raw', 'as written, one JSON object a line')
    .action(
      act(async (on, options: { follow?: boolean; lines: number; raw?: boolean }) =>
        (await import('./logs.ts')).logs(on, options),
      ),
    )
  program
    .command('config')
    .description('show effective settings and where each comes from, secrets masked')
    .addOption(json())
    .action(look(async (on, options: Json) => (await import('./config.ts')).config(on, options)))

  program
    .command('init')
    .argument('[path]', 'a git repository (default: this directory)')
    .description('make a git repository a product and record where it is on this machine')
    .option('--name <name>', "the product's name (default: the directory's)")
    .addOption(json())
    .action(
      act(async (on, path: string | undefined, options: Json & { name?: string }) =>
        (await import('./init.ts')).init(on, path, options),
      ),
    )
  program
    .command('enqueue')
    .argument('<task>', 'id or code of a task')
    .description('queue a job for a task')
    .addOption(json())
    .action(
      act(async (on, task: string, options: Json) =>
        (await import('./enqueue.ts')).enqueue(on, task, options),
      ),
    )

  // A parent takes an option that its subcommand has, too; so these ask for both (`optsWithGlobals`).
  const jobs = program
    .command('jobs')
    .description('list jobs that are queued, claimed, held here or just ended')
    .addOption(json())
    .allowExcessArguments()
    .hook('preAction', refuseUnknown)
    .action(act(async (on, options: Json) => (await import('./jobs.ts')).jobs(on, options)))
  const jobAction = (name: 'cancel' | 'release' | 'requeue', description: string) =>
    jobs
      .command(name)
      .argument('<job-id>', 'as `jobs` lists it')
      .description(description)
      .addOption(json())
      .action(
        act(async (on, id: string, _own: Json, command: Command) =>
          (await import('./jobs.ts')).actOnJob(on, name, id, command.optsWithGlobals<Json>()),
        ),
      )
  jobAction('cancel', 'end a job that has not ended; its agent is told')
  jobAction('release', 'put a claimed job back into the queue')
  jobAction('requeue', 'queue a failed, cancelled or skipped job again')

  program
    .command('questions')
    .description('list open questions of agents')
    .addOption(json())
    .action(act(async (on, options: Json) => (await import('./questions.ts')).questions(on, options)))
  program
    .command('answer')
    .argument('<question-id>')
    .argument('<text...>')
    .description('answer a question; the agent that waits for it goes on')
    .addOption(json())
    .action(
      act(async (on, id: string, text: string[], options: Json) =>
        (await import('./questions.ts')).answer(on, id, text.join(' '), options),
      ),
    )
  program
    .command('pause')
    .description('stop claiming jobs; running ones go on')
    .action(act(async (on) => (await import('./pause.ts')).pause(on)))
  program
    .command('resume')
    .description('claim jobs again')
    .action(act(async (on) => (await import('./pause.ts')).resume(on)))

  const worktrees = program
    .command('worktrees')
    .description('list worktrees with job, branch, state and bytes, and all saved work')
    .addOption(json())
    .allowExcessArguments()
    .hook('preAction', refuseUnknown)
    .action(act(async (on, options: Json) => (await import('./worktrees.ts')).worktrees(on, options)))
  worktrees
    .command('restore')
    .argument('<job-id>', 'the job whose work was saved, as `worktrees` lists it')
    .argument('[path]', 'where the new worktree goes (default: <job-id>-restored in the worktree directory)')
    .description('bring saved work back as a branch in a new worktree')
    .option('--n <n>', 'which save (default: the newest)', count(1, 1_000_000))
    .addOption(json())
    .action(
      act(async (on, id: string, path: string | undefined, _own: Json, command: Command) =>
        (await import('./worktrees.ts')).restore(
          on,
          id,
          path,
          command.optsWithGlobals<Json & { n?: number }>(),
        ),
      ),
    )
  worktrees
    .command('drop')
    .argument('<job-id>', 'the job whose work was saved, as `worktrees` lists it')
    .description('forget saved work of a job for good')
    .addOption(json())
    .action(
      act(async (on, id: string, _own: Json, command: Command) =>
        (await import('./worktrees.ts')).drop(on, id, command.optsWithGlobals<Json>()),
      ),
    )

  const db = program.command('db').description('the database behind the daemon')
  db.command('url')
    .description('print one line that node-postgres accepts')
    .option('--show-password', 'with the password')
    .action(
      act(async (on, options: { showPassword?: boolean }) => (await import('./db.ts')).dbUrl(on, options)),
    )
  db.command('migrate')
    .description('migrate the embedded database; for a shared one print SQL for its owner')
    .option('--print', 'print what would be done, change nothing')
    .action(act(async (on, options: { print?: boolean }) => (await import('./db.ts')).dbMigrate(on, options)))
  db.command('dump')
    .argument('[file]', 'a new file, or - for stdout (default: scrum4me-<UTC time>.sql in this directory)')
    .description('write all data of the embedded database into one file')
    .action(act(async (on, file: string | undefined) => (await import('./db.ts')).dbDump(on, file)))

  program
    .command('login')
    .description('enter database URL and token, check them, write daemon.env')
    .action(act(async (on) => (await import('./login.ts')).login(on)))
  program
    .command('doctor')
    .description('check everything; one line each, with the remedy')
    .addOption(json())
    .action(look(async (on, options: Json) => (await import('./doctor.ts')).doctor(on, options)))
  program
    .command('install')
    .description('make it a service of systemd or launchd, start it; over an older one: upgrade')
    .option('--system', 'a hardened system service instead of one of this user')
    .option('--run-as <user>', 'with --system: the user whose agents it serves')
    .option('--print', 'print the definition, change nothing')
    .action(
      act(async (on, options: { system?: boolean; print?: boolean; runAs?: string }) =>
        (await import('./install.ts')).install(on, options),
      ),
    )
  program
    .command('uninstall')
    .description('stop and remove the service; data stays')
    .option('--system', 'the system service')
    .option('--run-as <user>', 'with --system: the user whose agents it serves')
    .option(
      '--purge',
      'remove what the daemon made in its home, too, with the embedded database; asks at a terminal',
    )
    .option('--yes', 'with --purge: do not ask')
    .action(
      act(async (on, options: { system?: boolean; runAs?: string; purge?: boolean; yes?: boolean }) =>
        (await import('./uninstall.ts')).uninstall(on, options),
      ),
    )
  program
    .command('completion')
    .addArgument(new Argument('<shell>', 'whose completion it is').choices(['bash', 'zsh', 'fish']))
    .description('print a completion script for a shell')
    .action(
      look(async (on, shell: 'bash' | 'zsh' | 'fish') =>
        (await import('./completion.ts')).completion(on, shell, program),
      ),
    )
  program
    .command('mcp-config')
    .description('print how to add the MCP server to Claude Code; no secret in it')
    .addOption(json())
    .action(act(async (on, options: Json) => (await import('./mcp-config.ts')).mcpConfig(on, options)))
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

/** A script's empty variable must not turn what it does to another home (`uninstall --purge`) on the default one. */
function directory(text: string): string {
  if (text === '') throw new InvalidArgumentError('It names no directory.')
  return text
}

/** Parses an integer argument within bounds. */
function count(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max))
      throw new InvalidArgumentError(`It is an integer from ${min} to ${max}.`)
    return value
  }
}
