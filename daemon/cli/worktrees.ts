import { resolve } from 'node:path'
import type { Paths } from '../paths.ts'
import { bytesText } from '../status/bytes-text.ts'
import { daemonCommand } from '../wire/daemon-command.ts'
import { askRaw } from './ask-daemon.ts'
import type { Invocation } from './invocation.ts'
import { Reply } from './reply.ts'
import { columnText, printable } from './style.ts'
import { table } from './table.ts'
import { agoText } from './units.ts'

/** Git work on a large repository takes its time. */
const GIT_DEADLINE_MS = 10 * 60_000

/** Each worktree with its job, branch, state and bytes, and all saved work. */
export async function worktrees(
  invocation: Invocation,
  options: { readonly json?: boolean },
): Promise<number> {
  const answer = await askRaw(invocation, 'worktrees', {}, { timeoutMs: GIT_DEADLINE_MS })
  invocation.terminal.out(
    options.json
      ? JSON.stringify(answer, null, 2)
      : worktreesText(new Reply(answer), Date.now(), invocation.paths),
  )
  return 0
}

export function worktreesText(
  reply: Reply,
  now: number,
  paths: Pick<Paths, 'home' | 'isDefaultHome'>,
): string {
  const trees = reply.list('worktrees')
  const rows = trees.map((tree) => [
    tree.text('job_id'),
    columnText(tree.text('task')) || '-',
    tree.text('dirty') === 'true' ? `${tree.text('state')}, dirty` : tree.text('state'),
    tree.text('branch') || '-',
    bytesText(tree.number('bytes')),
    tree.text('path'),
  ])
  const saved = reply
    .list('saved')
    .map((save) => [
      save.text('job_id'),
      columnText(save.text('task')) || '-',
      save.text('ref'),
      agoText(save.text('saved_at'), now),
      save.text('repo_root'),
    ])
  const parts: string[] = []
  if (rows.length === 0) parts.push('No worktrees.')
  else {
    const [head = '', ...lines] = table([['JOB', 'TASK', 'STATE', 'BRANCH', 'BYTES', 'PATH'], ...rows])
    // A sentence, and no column: it would push all others off the screen.
    const reasons = trees.map((tree) => printable(tree.text('reason')))
    const told = lines.flatMap((line, index) => [line, ...(reasons[index] ? [`  ${reasons[index]}`] : [])])
    parts.push([head, ...told].join('\n'))
  }
  if (saved.length > 0) {
    parts.push(
      [
        `Saved work (bring back: \`${daemonCommand('worktrees restore <job-id>', paths)}\`):`,
        ...table([['JOB', 'TASK', 'REF', 'AGE', 'CLONE'], ...saved]),
      ].join('\n'),
    )
  }
  return parts.join('\n\n')
}

export interface RestoreOptions {
  readonly n?: number
  readonly json?: boolean
}

/** Saved work back as a branch in a new worktree. */
export async function restore(
  invocation: Invocation,
  jobId: string,
  path: string | undefined,
  options: RestoreOptions,
): Promise<number> {
  const params = {
    job_id: jobId,
    ...(path === undefined ? {} : { path: resolve(invocation.cwd, path) }),
    ...(options.n === undefined ? {} : { n: options.n }),
  }
  const answer = await askRaw(invocation, 'worktree-restore', params, { timeoutMs: GIT_DEADLINE_MS })
  const reply = new Reply(answer)
  if (options.json) invocation.terminal.out(JSON.stringify(answer, null, 2))
  else {
    invocation.terminal.out(`Restored ${reply.text('ref')} as branch ${reply.text('branch')}`)
    invocation.terminal.out(`in ${reply.text('path')}`)
    for (const warning of reply.texts('warnings')) invocation.terminal.err(`Note: ${warning}`)
  }
  return 0
}

/** Forgets all saved work of a job for good. */
export async function drop(
  invocation: Invocation,
  jobId: string,
  options: { readonly json?: boolean },
): Promise<number> {
  const answer = await askRaw(invocation, 'worktree-drop', { job_id: jobId }, { timeoutMs: GIT_DEADLINE_MS })
  const refs = new Reply(answer).texts('dropped')
  invocation.terminal.out(
    options.json
      ? JSON.stringify(answer, null, 2)
      : `Forgot ${refs.length === 1 ? 'one save' : `${refs.length} saves`} of job ${jobId}.`,
  )
  return 0
}
