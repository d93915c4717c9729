import { daemonCommand } from '../wire/daemon-command.ts'
import { askDaemon } from './ask-daemon.ts'
import type { Invocation } from './invocation.ts'

/** Stops claiming; running jobs go on. */
export async function pause(invocation: Invocation): Promise<number> {
  await askDaemon(invocation, 'pause')
  invocation.terminal.out(
    `Paused: no job is claimed here until \`${daemonCommand('resume', invocation.paths)}\`; running jobs go on.`,
  )
  return 0
}

export async function resume(invocation: Invocation): Promise<number> {
  await askDaemon(invocation, 'resume')
  invocation.terminal.out('Resumed: jobs are claimed again.')
  return 0
}
