import { readdir, readFile } from 'node:fs/promises'
import type { Engine } from '../engine.ts'
import type { BytePath } from './bytes.ts'
import type { Manifest } from './manifest.ts'
import type { ObjectWriter, TreeEntry } from './object-writer.ts'
import { packBundles } from './pack-bundles.ts'
import type { WorktreeGit } from './worktree-git.ts'
import type { Writing } from './write-save.ts'

/** The tree beside the work tree: manifest, index file, state files, stages of conflicts, exact bytes, bundles. */
export async function writeState(
  engine: Engine,
  writing: Writing,
  entries: { readonly stored: readonly TreeEntry[]; readonly exact: readonly TreeEntry[] },
): Promise<string> {
  const { subject, git, writer, found, state, commits, nested } = writing
  const bundles = await packBundles(engine, git, writer, nested)
  const manifest: Manifest = {
    version: 1,
    job: subject.jobId,
    jobBranch: subject.branch,
    head: commits.head,
    branch: commits.branch,
    baseSha: subject.baseSha,
    path: git.place.path,
    adminDir: git.place.adminDir,
    commits: [...commits.only],
    stashes: [...commits.stashes],
    raw: entries.stored.map(({ path }) => path),
    skippedButThere: [...found.skippedButThere],
    special: found.entries.filter((entry) => entry.kind === 'special').map(({ path }) => path),
    bundles: bundles.map(({ kind, path, name }) => ({ kind, path, name })),
    movedSubmodules: [...nested.moved.keys()],
  }
  const contents = [
    JSON.stringify(manifest),
    await rawIndex(git, writer),
    ...state.map(({ content }) => content),
  ]
  const [manifestId = '', indexId = '', ...stateIds] = await writer.blobs(contents)
  const file = (id: string, path: BytePath): TreeEntry => ({ mode: '100644', id, path })
  return writer.tree([
    file(manifestId, 'manifest.json'),
    file(indexId, 'index'),
    ...state.map(({ path }, at) => file(stateIds[at] ?? '', `gitdir/${path}`)),
    ...found.unmerged.map(({ mode, id, stage, path }) => ({ mode, id, path: `stage${stage}/${path}` })),
    ...entries.exact.map(({ mode, id, path }) => ({ mode, id, path: `exact/${path}` })),
    ...bundles.map(({ id, name }) => file(id, name)),
  ])
}

/** The index file itself brings back stages, flags and intents to add. A split one is made whole first. */
async function rawIndex(git: WorktreeGit, writer: ObjectWriter): Promise<Buffer> {
  const isSplit = (await readdir(git.place.adminDir)).some((name) => name.startsWith('sharedindex.'))
  const index = await writer.indexCopy()
  // Our settings say core.splitIndex=false: whatever git writes is whole.
  if (isSplit) await git.run({ index }, 'update-index', '--force-write-index')
  return readFile(index)
}
