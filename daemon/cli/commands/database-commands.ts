import type { Command } from 'commander'
import type { Actions } from './actions.ts'

/** The database behind the daemon. */
export function addDatabaseCommands(program: Command, { act }: Actions): void {
  program.commandsGroup('Worktrees and data:')
  const db = program.command('db').description('the database behind the daemon')
  db.command('url')
    .description('print one line that node-postgres accepts')
    .option('--show-password', 'with the password')
    .action(
      act(async (on, options: { showPassword?: boolean }) => (await import('../db.ts')).dbUrl(on, options)),
    )
  db.command('migrate')
    .description('migrate the embedded database; for a shared one print SQL for its owner')
    .option('--print', 'print what would be done, change nothing')
    .action(
      act(async (on, options: { print?: boolean }) => (await import('../db.ts')).dbMigrate(on, options)),
    )
  db.command('dump')
    .argument('[file]', 'a new file, or - for stdout (default: scrum4me-<UTC time>.sql in this directory)')
    .description('write all data of the embedded database into one file')
    .action(act(async (on, file: string | undefined) => (await import('../db.ts')).dbDump(on, file)))
}
