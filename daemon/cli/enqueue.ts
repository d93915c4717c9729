import { askRaw } from './ask-daemon.ts'
import type { Invocation } from './invocation.ts'
import { Reply } from './reply.ts'
import { printable } from './style.ts'

/** Queues a job for a task, named by id or code. */
export async function enqueue(
  invocation: Invocation,
  task: string,
  options: { readonly json?: boolean },
): Promise<number> {
  const answer = await askRaw(invocation, 'enqueue', { task })
  const reply = new Reply(answer)
  const title = printable(`${reply.text('code')} ${reply.text('title')} (${reply.text('product')})`)
  invocation.terminal.out(
    options.json ? JSON.stringify(answer, null, 2) : `Queued job ${reply.text('job_id')} for ${title}`,
  )
  return 0
}
