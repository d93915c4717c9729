import type { Command } from 'commander'
import { refuseUnknown } from '../help.ts'
import type { Actions } from './actions.ts'
import { type Json, json } from './options.ts'

/** Products, jobs and questions: what the web app does, from a terminal. */
export function addJobCommands(program: Command, { act }: Actions): void {
  program.commandsGroup('Products and jobs:')
  program
    .command('init')
    .argument('[path]', 'a git repository (default: this directory)')
    .description('make a git repository a product and record where it is on this machine')
    .option('--name <name>', "the product's name (default: the directory's)")
    .addOption(json())
    .action(
      act(async (on, path: string | undefined, options: Json & { name?: string }) =>
        (await import('../init.ts')).init(on, path, options),
      ),
    )
  program
    .command('enqueue')
    .argument('<task>', 'id or code of a task')
    .description('queue a job for a task')
    .addOption(json())
    .action(
      act(async (on, task: string, options: Json) =>
        (await import('../enqueue.ts')).enqueue(on, task, options),
      ),
    )

  // A parent takes an option that its subcommand has, too; so these ask for both (`optsWithGlobals`).
  const jobs = program
    .command('jobs')
    .description('list jobs that are queued, claimed, held here or just ended')
    .addOption(json())
    .allowExcessArguments()
    .hook('preAction', refuseUnknown)
    .action(act(async (on, options: Json) => (await import('../jobs.ts')).jobs(on, options)))
  const jobAction = (name: 'cancel' | 'release' | 'requeue', description: string) =>
    jobs
      .command(name)
      .argument('<job-id>', 'as `jobs` lists it')
      .description(description)
      .addOption(json())
      .action(
        act(async (on, id: string, _own: Json, command: Command) =>
          (await import('../jobs.ts')).actOnJob(on, name, id, command.optsWithGlobals<Json>()),
        ),
      )
  jobAction('cancel', 'end a job that has not ended; its agent is told')
  jobAction('release', 'put a claimed job back into the queue')
  jobAction('requeue', 'queue a failed, cancelled or skipped job again')

  program
    .command('questions')
    .description('list open questions of agents')
    .addOption(json())
    .action(act(async (on, options: Json) => (await import('../questions.ts')).questions(on, options)))
  program
    .command('answer')
    .argument('<question-id>')
    .argument('<text...>')
    .description('answer a question; the agent that waits for it goes on')
    .addOption(json())
    .action(
      act(async (on, id: string, text: string[], options: Json) =>
        (await import('../questions.ts')).answer(on, id, text.join(' '), options),
      ),
    )
  program
    .command('pause')
    .description('stop claiming jobs; running ones go on')
    .action(act(async (on) => (await import('../pause.ts')).pause(on)))
  program
    .command('resume')
    .description('claim jobs again')
    .action(act(async (on) => (await import('../pause.ts')).resume(on)))
}
