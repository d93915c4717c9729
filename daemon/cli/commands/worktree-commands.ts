import type { Command } from 'commander'
import { refuseUnknown } from '../help.ts'
import type { Actions } from './actions.ts'
import { count, type Json, json } from './options.ts'

/** Worktrees and saved work. */
export function addWorktreeCommands(program: Command, { act }: Actions): void {
  program.commandsGroup('Worktrees and data:')
  const worktrees = program
    .command('worktrees')
    .description('list worktrees with job, branch, state and bytes, and all saved work')
    .addOption(json())
    .allowExcessArguments()
    .hook('preAction', refuseUnknown)
    .action(act(async (on, options: Json) => (await import('../worktrees.ts')).worktrees(on, options)))
  worktrees
    .command('restore')
    .argument('<job-id>', 'the job whose work was saved, as `worktrees` lists it')
    .argument('[path]', 'where the new worktree goes (default: <job-id>-restored in the worktree directory)')
    .description('bring saved work back as a branch in a new worktree')
    .option('--n <n>', 'which save (default: the newest)', count(1, 1_000_000))
    .addOption(json())
    .action(
      act(async (on, id: string, path: string | undefined, _own: Json, command: Command) =>
        (await import('../worktrees.ts')).restore(
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
        (await import('../worktrees.ts')).drop(on, id, command.optsWithGlobals<Json>()),
      ),
    )
}
