import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Engine } from '../engine.ts'
import { GitError } from '../git/git-error.ts'
import { type BytePath, below, fields, readable, toBytes } from './bytes.ts'
import type { SaveCommits } from './restore.ts'
import { unpackBundles } from './unpack-bundles.ts'
import type { WorktreeGit } from './worktree-git.ts'

/** State that is put back as it was. A rebase or bisect is not re-armed: half of its meaning was the old worktree. */
const REARMED =
  /^(MERGE_HEAD|MERGE_MODE|MERGE_MSG|MERGE_RR|AUTO_MERGE|CHERRY_PICK_HEAD|REVERT_HEAD|SQUASH_MSG|ORIG_HEAD|sequencer\/.*)$/

/**
 * Fills a new, empty worktree from a save. What git called unchanged comes by a checkout, with the user's own
 * filters; what was stored as bytes comes back as bytes, past every filter and attribute. Answers notes.
 */
export async function refill(engine: Engine, git: WorktreeGit, save: SaveCommits): Promise<string[]> {
  const { adminDir, path } = git.place
  const scratch = await mkdtemp(join(adminDir, 'scrum4me-restore-'))
  try {
    const work = await entriesOf(git, [save.work])
    const exact = await entriesOf(git, [save.state, 'exact/'], 'exact/')
    const raw = new Set(save.manifest.raw)
    const bytes = [...work.filter((entry) => raw.has(entry.path)), ...exact]
    const asBytes = new Set(bytes.map((entry) => entry.path))
    const savedIndex = join(scratch, 'saved-index')
    await writeFile(savedIndex, (await git.run({}, 'cat-file', 'blob', `${save.state}:index`)).stdout)
    const absent = await leftOut(git, savedIndex, new Set(save.manifest.skippedButThere))
    const plain = work.filter(
      (entry) => entry.mode !== '160000' && !asBytes.has(entry.path) && !absent.has(entry.path),
    )
    // First, while no attributes of the job's own are there: these files are as they came with the base.
    const attributes = await attributesOf(git, save.manifest.baseSha)
    const notes = await checkOutPlain(git, join(scratch, 'plain-index'), plain, attributes)
    await writeBytes(git, scratch, path ?? '', bytes)
    for (const entry of work) {
      if (entry.mode === '160000') await mkdir(below(path ?? '', entry.path), { recursive: true })
    }
    await git.run({}, 'read-tree', '--empty')
    await writeFile(
      join(adminDir, 'index'),
      (await git.run({}, 'cat-file', 'blob', `${save.state}:index`)).stdout,
    )
    // What an intent to add names: it is in no tree, so a gc may have taken it, and then fsck misses it (2.55).
    await git.run({ input: '' }, 'hash-object', '-w', '--stdin')
    notes.push(...(await restoreState(git, save)))
    await unpackBundles(engine, git, save, scratch)
    return [...notes, ...tell(save)]
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

interface Entry {
  readonly mode: string
  readonly id: string
  readonly path: BytePath
}

async function entriesOf(
  git: WorktreeGit,
  treeish: readonly [string, ...string[]],
  prefix = '',
): Promise<Entry[]> {
  const [tree, ...paths] = treeish
  const { stdout } = await git.run({}, 'ls-tree', '-r', '-z', '--full-tree', tree, '--', ...paths)
  return fields(stdout).map((line) => {
    const tab = line.indexOf('\t')
    const [mode = '', , id = ''] = line.slice(0, tab).split(' ')
    return { mode, id, path: line.slice(tab + 1 + prefix.length) }
  })
}

function isAttributes({ path }: Entry): boolean {
  return /(^|\/)\.gitattributes$/.test(path)
}

/** The `.gitattributes` of the commit that the job began with; none if that is not known, or not there any more. */
async function attributesOf(git: WorktreeGit, baseSha: string | null): Promise<Entry[]> {
  if (baseSha === null) return []
  const { code } = await git.run({ expect: [0, 1, 128] }, 'cat-file', '-e', `${baseSha}^{tree}`)
  return code === 0 ? (await entriesOf(git, [baseSha])).filter(isAttributes) : []
}

/** Paths that a sparse checkout had left out. */
async function leftOut(
  git: WorktreeGit,
  index: string,
  present: ReadonlySet<BytePath>,
): Promise<Set<BytePath>> {
  const { stdout } = await git.run({ index }, 'ls-files', '-v', '-z')
  const skipped = fields(stdout, (bytes, start) => bytes[start] === 0x53 || bytes[start] === 0x73).map(
    (line) => line.slice(2),
  )
  return new Set(skipped.filter((path) => !present.has(path)))
}

/** Writes blobs as they are, past every attribute: `.gitattributes` files, being attributes themselves, by hand. */
async function writeBytes(
  git: WorktreeGit,
  scratch: string,
  root: string,
  entries: readonly Entry[],
): Promise<void> {
  const index = join(scratch, 'bytes-index')
  const others = entries.filter((entry) => !isAttributes(entry))
  await setIndex(git, index, others)
  await git.bare(scratch, { index }, 'checkout-index', '--all', '--force', `--prefix=${root}/`)
  for (const entry of entries.filter(isAttributes)) {
    const file = below(root, entry.path)
    await mkdir(dirname(file.toString()), { recursive: true })
    await writeFile(file, (await git.run({}, 'cat-file', 'blob', entry.id)).stdout)
  }
}

/** @param attributes those that decide; what is not among `entries` is looked up in the index and not written */
async function checkOutPlain(
  git: WorktreeGit,
  index: string,
  entries: readonly Entry[],
  attributes: readonly Entry[],
): Promise<string[]> {
  if (entries.length === 0) return []
  const paths = new Set(entries.map(({ path }) => path))
  await setIndex(git, index, [...entries, ...attributes.filter(({ path }) => !paths.has(path))])
  const call = { index, input: toBytes(entries.map(({ path }) => `${path}\0`).join('')) }
  const checkOut = ['checkout-index', '-z', '--stdin', '--force']
  try {
    await git.withFilters(call, ...checkOut)
    return []
  } catch (error) {
    if (!(error instanceof GitError) || !/filter/i.test(error.stderr)) throw error
    await git.run(call, ...checkOut)
    return [`a filter failed (${error.message}), so files it converts (git-lfs) are as they are stored`]
  }
}

async function setIndex(git: WorktreeGit, index: string, entries: readonly Entry[]): Promise<void> {
  await git.run({ index }, 'read-tree', '--empty')
  if (entries.length === 0) return
  const input = toBytes(entries.map(({ mode, id, path }) => `${mode} ${id}\t${path}\0`).join(''))
  await git.run({ index, input }, 'update-index', '-z', '--index-info')
}

async function restoreState(git: WorktreeGit, save: SaveCommits): Promise<string[]> {
  const entries = await entriesOf(git, [save.state, 'gitdir/'], 'gitdir/')
  for (const { path, id } of entries.filter((entry) => REARMED.test(entry.path))) {
    const file = join(git.place.adminDir, readable(path))
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, (await git.run({}, 'cat-file', 'blob', id)).stdout)
  }
  return entries.some((entry) => /^(rebase-merge|rebase-apply)\//.test(entry.path))
    ? [`a rebase was under way; its state is in ${save.state}:gitdir and is not taken up again`]
    : []
}

function tell(save: SaveCommits): string[] {
  const { manifest } = save
  const others = manifest.commits.filter((id) => id !== manifest.head)
  return [
    ...(manifest.branch === null ? ['no branch was checked out'] : []),
    ...others.map((id) => `another commit was saved: git show ${id}`),
    ...manifest.stashes.map(
      ({ id, message }) => `a stash was saved: git stash apply ${id} (${readable(message)})`,
    ),
    ...manifest.special.map((path) => `${readable(path)} was a FIFO, socket or device and was not saved`),
    ...manifest.movedSubmodules.map(
      (path) =>
        `the submodule ${readable(path)} stood at another commit; git submodule update brings it back`,
    ),
  ]
}
