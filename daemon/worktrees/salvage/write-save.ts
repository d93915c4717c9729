import type { Engine } from '../engine.ts'
import type { CommitsHere } from './commits.ts'
import { saveMessage } from './manifest.ts'
import type { NestedWork } from './nested.ts'
import type { ObjectWriter, TreeEntry } from './object-writer.ts'
import { type PinnedSave, pin } from './pin.ts'
import type { SaveSubject } from './save.ts'
import { isInterrupted, type StateFile } from './state-files.ts'
import { writeState } from './state-tree.ts'
import { storeEntries } from './store-entries.ts'
import type { Survey } from './survey.ts'
import type { WorktreeGit } from './worktree-git.ts'

/** Everything that was found, and where it is written. */
export interface Writing {
  readonly subject: SaveSubject
  readonly git: WorktreeGit
  readonly writer: ObjectWriter
  readonly found: Survey
  readonly state: readonly StateFile[]
  readonly commits: CommitsHere
  readonly nested: NestedWork
}

/**
 * Writes a save and makes its ref (`manifest.ts` says what is in it); null when it turns out that there is nothing
 * to save, a file having been touched only.
 */
export async function writeSave(engine: Engine, writing: Writing): Promise<string | null> {
  const { subject, git, writer, found, state, commits, nested } = writing
  const changes = found.entries.filter((entry) => entry.unchangedFrom === null)
  const unchangedFrom = new Map(found.entries.map((entry) => [entry.path, entry.unchangedFrom]))
  const all = await storeEntries(git, writer, found.entries)
  const stored = all.filter(({ path }) => unchangedFrom.get(path) === null)
  // What git calls unchanged, but is not byte for byte what the index has.
  const exact = all.filter(({ path, id }) => (unchangedFrom.get(path) ?? id) !== id)
  const index = await writer.indexCopy()
  const indexTree = await indexTreeOf(writer, index, found)
  const gone = changes
    .filter((entry) => entry.kind === 'missing' || entry.kind === 'special')
    .map(({ path }) => path)
  const moved = [...nested.moved].map(([path, id]): TreeEntry => ({ mode: '160000', id, path }))
  await writer.change(index, [...gone, ...found.unmerged.map(({ path }) => path)], [...stored, ...moved])
  const workTree = await writer.treeOf(index)

  const { head } = commits
  const headTree = commits.headTree ?? (await writer.tree([]))
  const isNeeded =
    workTree !== headTree ||
    indexTree !== headTree ||
    commits.only.length + commits.stashes.length + nested.bundles.length + found.unmerged.length > 0 ||
    isInterrupted(state)
  if (!isNeeded) return null

  // Here a file is what git stored of it, which a checkout might convert.
  const asStored = all.filter(({ path, id }) => unchangedFrom.get(path) === id)
  const stateTree = await writeState(engine, writing, { stored: [...stored, ...asStored], exact })
  const onHead = head === null ? [] : [head]
  const others = [
    ...commits.only.filter((id) => id !== head),
    ...commits.mentioned,
    ...commits.stashes.map(({ id }) => id),
  ]
  const job = subject.jobId
  const indexCommit = await writer.commit(indexTree, onHead, `Index of job ${job}\n`)
  const stateCommit = await writer.commit(stateTree, others, `State of job ${job}\n`)
  const message = saveMessage(job, commits.branch)
  const work = await writer.commit(workTree, [...onHead, indexCommit, stateCommit], message)
  await writer.migrate()
  const trees: PinnedSave['trees'] = [workTree, indexTree, stateTree]
  return pin(engine, git, job, { work, trees, parents: [...onHead, ...others], base: subject.baseSha })
}

/** The tree of what is staged; with conflicts, of what is not in conflict (the stages are kept apart). */
async function indexTreeOf(writer: ObjectWriter, index: string, found: Survey): Promise<string> {
  if (found.unmerged.length === 0) return writer.treeOf(index)
  const merged = await writer.indexCopy()
  await writer.change(
    merged,
    found.unmerged.map(({ path }) => path),
    [],
  )
  return writer.treeOf(merged)
}
