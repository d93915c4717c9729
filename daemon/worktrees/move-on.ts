import type { Engine } from './engine.ts'
import { type Move, moveTo } from './git/check-out.ts'
import { GitError } from './git/git-error.ts'
import type { JobRecord } from './job-record.ts'
import type { Making } from './make.ts'
import { save } from './salvage/save.ts'

/** Brings the worktree to what origin has by now. Answers warnings. */
export async function moveOn(
  engine: Engine,
  { repository, path, request, signal }: Making,
  begun: JobRecord,
  to: string,
): Promise<string[]> {
  const move = (how: Move['how']) => {
    const between = { from: begun.baseSha ?? to, to, how }
    return moveTo(engine.git, repository, path, between, { signal, sshAuthSock: request.sshAuthSock })
  }
  if (begun.fromSpare !== true) return move('--hard')
  try {
    return await move('--keep')
  } catch (error) {
    if (!(error instanceof GitError) || error.why !== 'failed') throw error
    // Somebody worked in the spare, or a filter failed and left half of it: whatever it is, it is saved.
    const { keptBecause } = await save(engine, repository, begun)
    if (keptBecause !== null) throw new Error(keptBecause)
    return move('--hard')
  }
}
