import type { ActiveJob } from '../backlog/active-job.ts'
import type { Backlog } from '../backlog/backlog.ts'
import type { QuestionWatch } from '../backlog/question-watch.ts'
import type { RepoRoots } from '../config/repo-roots.ts'
import type { ClaimBook } from '../jobs/claim-book.ts'
import type { Logger } from '../logger.ts'
import type { Paths } from '../paths.ts'
import type { Redactor } from '../redact.ts'
import type { ToolContext } from '../tools/context.ts'
import { withHome } from '../wire/daemon-command.ts'
import { type JobCallServices, jobCalls } from './job-calls.ts'
import type { CallSite } from './session-host.ts'

export interface ToolContextServices extends JobCallServices {
  backlog(): Promise<Backlog>
  database(): Promise<'ok' | 'down'>
  missingTables(): ReadonlySet<string>
  readonly questions: QuestionWatch
  readonly book: ClaimBook
  readonly roots: RepoRoots
  git(cwd: string, args: readonly string[], sshAuthSock: string | null): Promise<string>
  readonly redactor: Redactor
  readonly paths: Pick<Paths, 'home' | 'isDefaultHome'>
  readonly logger: Logger
}

/** What a tool call may use, for one call of one session. */
export function toolContext(services: ToolContextServices, site: CallSite): ToolContext {
  const hello = site.session.hello
  return {
    backlog: services.backlog,
    database: services.database,
    missingTables: services.missingTables(),
    questions: services.questions,
    activeJob: async (taskId) => activeJob(services.book, taskId),
    repoRoot: async (productId) =>
      (await services.roots.resolve(productId, hello?.repoRoots ?? {}))?.path ?? null,
    git: (cwd, args) => services.git(cwd, args, hello?.sshAuthSock ?? null),
    jobs: jobCalls(services, site),
    signal: site.signal,
    progress: site.progress,
    log: services.logger,
    clean: (text) => withHome(services.redactor.clean(text), services.paths),
  }
}

function activeJob(book: ClaimBook, taskId: string): ActiveJob | null {
  for (const claim of book.inState('held')) {
    const task = claim.answer.task
    const isIt = typeof task === 'object' && task !== null && 'id' in task && task.id === taskId
    if (!isIt || claim.worktree === null) continue
    return {
      jobId: claim.identity.jobId,
      worktreePath: claim.worktree.path,
      baseSha: claim.worktree.baseSha,
      planSnapshot: String(claim.answer.plan_snapshot ?? ''),
      instanceId: claim.identity.instanceId,
      claimedAt: claim.identity.claimedAt,
    }
  }
  return null
}
