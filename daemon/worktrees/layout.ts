import { realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { codeOf, DaemonError } from '../errors.ts'
import { makeDirectories } from '../make-directories.ts'
import { WorktreeError } from './worktree-error.ts'

const JOB_ID = /^[A-Za-z0-9_-]{1,64}$/

/** A job id that may become part of a path; anything else is refused before it touches one. */
export function checkJobId(jobId: string): string {
  if (JOB_ID.test(jobId)) return jobId
  throw new DaemonError(
    'VALIDATION_ERROR',
    'job_id is not a job id (letters, digits, - and _, at most 64)',
    'Use the job_id that wait_for_job returned.',
  )
}

export function isJobId(name: string): boolean {
  return JOB_ID.test(name)
}

/** `feat/job-<last 8 of the job id>` (contract 5). */
export function branchOf(jobId: string): string {
  return `feat/job-${jobId.slice(-8)}`
}

/** Branches that `create` may have made for this job. */
export function isBranchOf(branch: string, jobId: string): boolean {
  const name = branchOf(jobId)
  return (
    branch === name || (branch.startsWith(`${name}-`) && /^\d[\d-]*$/.test(branch.slice(name.length + 1)))
  )
}

export function unusableDirectory(parent: string, cause: unknown): WorktreeError {
  return new WorktreeError(
    `The worktree directory ${parent} cannot be used (${codeOf(cause) ?? 'unknown error'})`,
    'Make it writable for the user that runs the daemon, or set SCRUM4ME_AGENT_WORKTREE_DIR to another place.',
    { permanent: true, cause },
  )
}

/**
 * Where things are below the worktree directory. git and /proc speak of real paths, users of the path
 * they configured; a job's worktree is at the same name below both.
 */
export class Layout {
  /** As configured. */
  readonly parent: string
  #real: string | undefined

  constructor(parentDir: string) {
    this.parent = resolve(parentDir)
  }

  /** Makes the directory if it is missing and answers its real path; throws WORKTREE_FAILED. */
  async open(): Promise<string> {
    try {
      // With the dot: a file of that name is no directory.
      this.#real = await realpath(`${this.parent}/.`).catch(async () => {
        await makeDirectories(this.parent, 0o700)
        return realpath(this.parent)
      })
      return this.#real
    } catch (error) {
      throw unusableDirectory(this.parent, error)
    }
  }

  async path(jobId: string): Promise<string> {
    return join(this.#real ?? (await this.open()), jobId)
  }

  /** The path as the user configured it. */
  shown(realPath: string): string {
    return this.#real !== undefined && dirname(realPath) === this.#real
      ? join(this.parent, basename(realPath))
      : realPath
  }

  /** Where spare worktrees are. */
  async spares(): Promise<string> {
    return join(this.#real ?? (await this.open()), '.spare')
  }
}
