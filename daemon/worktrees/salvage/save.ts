import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, messageOf } from '../../errors.ts'
import { freeBytes } from '../disk.ts'
import type { Engine } from '../engine.ts'
import { GitError } from '../git/git-error.ts'
import { findAdminDir } from '../git/registration.ts'
import { openRepository } from '../git/repository.ts'
import { runChild } from '../git/run-child.ts'
import { lstatOrNull } from '../lstat-or-null.ts'
import { type BytePath, below } from './bytes.ts'
import { type CommitsHere, commitsHere, existingCommits } from './commits.ts'
import { type Ignored, ignoredFiles } from './ignored.ts'
import { type Manifest, saveMessage } from './manifest.ts'
import { bundleSource, type NestedWork, nestedWork } from './nested.ts'
import { ObjectWriter, type TreeEntry } from './object-writer.ts'
import { type PinnedSave, pin } from './pin.ts'
import { isInterrupted, mentionedIds, type StateFile, stateFiles } from './state-files.ts'
import { type DiskEntry, type Survey, survey } from './survey.ts'
import { WorktreeGit } from './worktree-git.ts'

/** Whose work is saved; a job, or a spare that somebody worked in. */
export interface SaveSubject {
  readonly jobId: string
  readonly repoRoot: string
  readonly commonDir: string
  /** Where the clone knows it (a real path). */
  readonly path: string
  readonly branch: string
  readonly baseSha: string | null
  readonly createdAt: string
  readonly prepared?: Readonly<Record<string, string>> | undefined
}

export interface Saved {
  /** Null: there was nothing to save, or it could not be saved. */
  readonly ref: string | null
  /** The tip of the job's branch that was looked at; one that moved since is not safe. */
  readonly branchTip: string | null
  readonly ignored: Ignored | null
  /** Set: the worktree holds something that could not be saved, so all of it must stay. */
  readonly keptBecause: string | null
  /** What the worktree was like; when it is the same after a rename, nothing was written meanwhile. */
  readonly fingerprint: string
}

const ATTEMPTS = 3
/** Room for trees, commits and git's own bookkeeping, bytes. */
const SPARE_ROOM = 16 * 2 ** 20

/** Saves everything in a worktree that is not elsewhere, changing nothing in it. Never throws for a reason to keep it. */
export async function save(engine: Engine, subject: SaveSubject): Promise<Saved> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await attemptSave(engine, subject)
    } catch (error) {
      if (engine.stopping.aborted) throw error
      const full = codeOf(error) === 'ENOSPC' || (error instanceof GitError && error.isDiskFull)
      // A file that vanished while it was read: somebody still writes, so look again.
      if (!full && attempt < ATTEMPTS) continue
      const why = full ? 'the disk is full' : messageOf(error)
      return kept(`saving its work failed: ${why}`)
    }
  }
}

/** What a worktree is like now, its files being at `path`; null when the clone does not know it. */
export async function fingerprintAt(
  engine: Engine,
  subject: SaveSubject,
  path: string,
): Promise<string | null> {
  const git = await openWorktree(engine, subject, path)
  return git === null ? null : (await survey(git, subject.baseSha, subject.prepared)).fingerprint
}

async function openWorktree(engine: Engine, subject: SaveSubject, path: string): Promise<WorktreeGit | null> {
  const repository = await openRepository(engine.git, subject.repoRoot, engine.stopping)
  const adminDir = await findAdminDir(repository.commonDir, subject.path)
  if (adminDir === null) return null
  const isThere = (await lstatOrNull(path))?.isDirectory() === true
  return new WorktreeGit(engine.git, { repository, adminDir, path: isThere ? path : null }, engine.stopping)
}

async function attemptSave(engine: Engine, subject: SaveSubject): Promise<Saved> {
  const git = await openWorktree(engine, subject, subject.path)
  if (git === null) return kept('the clone does not know it as a worktree any more')
  const { adminDir } = git.place

  const found = await survey(git, subject.baseSha, subject.prepared)
  const state = await stateFiles(adminDir)
  const mentioned = mentionedIds(state)
  const commits = await commitsHere(git, { ...subject, jobBranch: subject.branch, mentioned })
  const nested = await nestedWork(engine.git, git, found, engine.stopping)
  const base = { branchTip: commits.branchTip, fingerprint: found.fingerprint }
  const refusal = nested.keptBecause ?? (await tooLarge(engine, git, found, nested))
  if (refusal !== null) return { ...kept(refusal), ...base }

  const writer = await ObjectWriter.open(git)
  try {
    const ref = await write(engine, { subject, git, writer, found, state, mentioned, commits, nested })
    const ignored = await ignoredFiles(git, engine.childEnv, engine.stopping)
    return { ...base, ref, ignored, keptBecause: null }
  } finally {
    await writer.close()
  }
}

function kept(reason: string): Saved {
  return { ref: null, branchTip: null, ignored: null, keptBecause: reason, fingerprint: '' }
}

/** Over the limit, or more than the disk has room for: better kept where it is than half saved. */
async function tooLarge(
  engine: Engine,
  git: WorktreeGit,
  found: Survey,
  nested: NestedWork,
): Promise<string | null> {
  let bytes = found.entries.reduce((sum, entry) => sum + entry.size, 0)
  for (const bundle of nested.bundles) {
    const { from, name } = bundleSource(git, bundle)
    bytes += (await engine.disk.usedBytes(join(from, name), engine.stopping)) ?? 0
  }
  if (bytes > engine.salvageMaxBytes) {
    return `it holds ${bytes} bytes of work, more than may be saved (${engine.salvageMaxBytes}, SCRUM4ME_SALVAGE_MAX_BYTES)`
  }
  // Bundles are written twice: as a file, then as an object.
  const needed = bytes * (nested.bundles.length > 0 ? 2 : 1) + (bytes > 0 ? SPARE_ROOM : 0)
  const free = await freeBytes(git.place.repository.commonDir)
  return needed > free ? `the disk has ${free} bytes left, too few to save ${bytes} bytes of work` : null
}

interface Writing {
  readonly subject: SaveSubject
  readonly git: WorktreeGit
  readonly writer: ObjectWriter
  readonly found: Survey
  readonly state: readonly StateFile[]
  readonly mentioned: readonly string[]
  readonly commits: CommitsHere
  readonly nested: NestedWork
}

/** Answers the ref that holds it all, or null when there is nothing to hold. */
async function write(engine: Engine, writing: Writing): Promise<string | null> {
  const { subject, git, writer, found, state, commits, nested } = writing
  const changes = found.entries.filter((entry) => entry.unchangedFrom === null)
  const stored = await storeEntries(git, writer, changes)
  const index = await writer.indexCopy()
  const indexTree = await indexTreeOf(writer, index, found)
  const gone = changes
    .filter((entry) => entry.kind === 'missing' || entry.kind === 'special')
    .map(({ path }) => path)
  const moved = [...nested.moved].map(([path, id]): TreeEntry => ({ mode: '160000', id, path }))
  await writer.change(index, [...gone, ...found.unmerged.map(({ path }) => path)], [...stored, ...moved])
  const workTree = await writer.treeOf(index)

  const { head } = commits
  const headTree = head === null ? await writer.tree([]) : await git.text({}, 'rev-parse', `${head}^{tree}`)
  const isNeeded =
    workTree !== headTree ||
    indexTree !== headTree ||
    commits.only.length + commits.stashes.length + nested.bundles.length + found.unmerged.length > 0 ||
    isInterrupted(state)
  if (!isNeeded) return null

  const stateTree = await writeState(engine, writing, stored)
  const onHead = head === null ? [] : [head]
  const mentionedCommits = await existingCommits(git, writing.mentioned)
  const others = [
    ...commits.only.filter((id) => id !== head),
    ...mentionedCommits,
    ...commits.stashes.map(({ id }) => id),
  ]
  const job = subject.jobId
  const indexCommit = await writer.commit(indexTree, onHead, `Index of job ${job}\n`)
  const stateCommit = await writer.commit(stateTree, others, `State of job ${job}\n`)
  const message = saveMessage(job, commits.branch)
  const work = await writer.commit(workTree, [...onHead, indexCommit, stateCommit], message)
  await writer.migrate()
  const save: PinnedSave = { work, trees: [workTree, indexTree, stateTree], parents: [...onHead, ...others] }
  return pin(engine, git, job, save)
}

async function storeEntries(
  git: WorktreeGit,
  writer: ObjectWriter,
  entries: readonly DiskEntry[],
): Promise<TreeEntry[]> {
  const files = entries.filter((entry) => entry.kind === 'file')
  const links = entries.filter((entry) => entry.kind === 'symlink')
  const root = git.place.path ?? ''
  const targets: Buffer[] = []
  for (const link of links) targets.push(await readlink(below(root, link.path), 'buffer'))
  const fileIds = await writer.files(files.map(({ path }) => path))
  const linkIds = await writer.blobs(targets)
  const entry = (mode: string, id: string | undefined, path: BytePath): TreeEntry => ({
    mode,
    id: id ?? '',
    path,
  })
  return [
    ...files.map((file, at) => entry(file.executable ? '100755' : '100644', fileIds[at], file.path)),
    ...links.map((link, at) => entry('120000', linkIds[at], link.path)),
  ]
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

async function writeState(engine: Engine, writing: Writing, stored: readonly TreeEntry[]): Promise<string> {
  const { subject, git, writer, found, state, commits, nested } = writing
  const unchanged = found.entries.filter((entry) => entry.unchangedFrom !== null)
  const from = new Map(unchanged.map((entry) => [entry.path, entry.unchangedFrom]))
  const exact = (await storeEntries(git, writer, unchanged)).filter(
    (entry) => entry.id !== from.get(entry.path),
  )
  const bundles = await pack(engine, git, writer, nested)
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
    raw: stored.map(({ path }) => path),
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
    ...exact.map(({ mode, id, path }) => ({ mode, id, path: `exact/${path}` })),
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

interface Packed {
  readonly kind: Manifest['bundles'][number]['kind']
  readonly path: BytePath
  readonly name: string
  readonly id: string
}

async function pack(
  engine: Engine,
  git: WorktreeGit,
  writer: ObjectWriter,
  nested: NestedWork,
): Promise<Packed[]> {
  const packed: Packed[] = []
  for (const [at, bundle] of nested.bundles.entries()) {
    const { from, name } = bundleSource(git, bundle)
    const file = writer.temporary()
    const result = await runChild({
      command: 'tar',
      args: ['-C', from, '-cf', file, `./${name}`],
      cwd: '/',
      env: engine.childEnv,
      signal: engine.stopping,
      deadlineMs: 1_800_000,
    })
    if (result.code !== 0) throw new Error(`tar could not pack ${name}: ${result.stderr.trim().slice(-300)}`)
    const [id = ''] = await writer.files([Buffer.from(file).toString('latin1')])
    packed.push({ kind: bundle.kind, path: bundle.path, name: `bundles/${at}.tar`, id })
  }
  return packed
}
