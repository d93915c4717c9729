import { Argument, type Command } from 'commander'
import type { Actions } from './actions.ts'
import { type Json, json } from './options.ts'

/** Setting up, checking and removing an installation. */
export function addSetupCommands(program: Command, { act, look }: Actions): void {
  program.commandsGroup('Setting up, and help:')
  program
    .command('login')
    .description('enter database URL and token, check them, write daemon.env')
    .action(act(async (on) => (await import('../login.ts')).login(on)))
  program
    .command('doctor')
    .description('check everything; one line each, with the remedy')
    .addOption(json())
    .action(look(async (on, options: Json) => (await import('../doctor.ts')).doctor(on, options)))
  program
    .command('install')
    .description('make it a service of systemd or launchd, start it; over an older one: upgrade')
    .option('--system', 'a hardened system service instead of one of this user')
    .option('--run-as <user>', 'with --system: the user whose agents it serves')
    .option('--print', 'print the definition, change nothing')
    .action(
      act(async (on, options: { system?: boolean; print?: boolean; runAs?: string }) =>
        (await import('../install.ts')).install(on, options),
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
        (await import('../uninstall.ts')).uninstall(on, options),
      ),
    )
  program
    .command('completion')
    .addArgument(new Argument('<shell>', 'whose completion it is').choices(['bash', 'zsh', 'fish']))
    .description('print a completion script for a shell')
    .action(
      look(async (on, shell: 'bash' | 'zsh' | 'fish') =>
        (await import('../completion.ts')).completion(on, shell, program),
      ),
    )
  program
    .command('mcp-config')
    .description('print how to add the MCP server to Claude Code; no secret in it')
    .addOption(json())
    .action(act(async (on, options: Json) => (await import('../mcp-config.ts')).mcpConfig(on, options)))
}
