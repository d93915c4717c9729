import { copyFile, mkdir, mkdtemp, readdir, realpath, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { codeOf } from '../../errors.ts'
import type { Git } from './git.ts'
import { readPlainFile } from './read-plain-file.ts'
import { onClone, type Repository, settingOf } from './repository.ts'

/**
 * The clone's side of a linked worktree: `<common dir>/worktrees/<name>/`, laid out as gitrepository-layout(5) says.
 * Written aside and renamed into place, so that a person's git never sees half of one: `git worktree add` writes
 * a HEAD of zeros first, and a `gc` that meets it fails with "bad object worktrees/<name>/HEAD".
 */
export interface Registration {
  /** Real path; its last part names the registration. */
  readonly path: string
  readonly sha: string
  /** A branch that exists; null: detached. */
  readonly branch: string | null
  readonly lockReason: string
}

const PREFIX_NEW = 'scrum4me-new-'
const PREFIX_GONE = 'scrum4me-gone-'

/** Registers a worktree and makes its directory, with no files yet. The caller holds the clone's lock. */
export async function register(
  git: Git,
  repository: Repository,
  wanted: Registration,
  signal: AbortSignal,
): Promise<void> {
  if (!isPlain(repository)) return registerByGit(git, repository, wanted, signal)
  const aside = await mkdtemp(join(repository.commonDir, PREFIX_NEW))
  try {
    const head = wanted.branch === null ? wanted.sha : `ref: refs/heads/${wanted.branch}`
    await mkdir(join(aside, 'logs'))
    await Promise.all([
      writeFile(join(aside, 'commondir'), '../..\n'),
      writeFile(join(aside, 'gitdir'), `${join(wanted.path, '.git')}\n`),
      writeFile(join(aside, 'locked'), `${wanted.lockReason}\n`),
      writeFile(join(aside, 'HEAD'), `${head}\n`),
      writeFile(join(aside, 'logs/HEAD'), firstLogLine(repository.zeroId, wanted.sha)),
      copySparse(git, repository, aside),
      mkdir(wanted.path, { recursive: true }),
    ])
    const place = await intoPlace(repository, aside, basename(wanted.path), async (admin) =>
      writeFile(join(wanted.path, '.git'), `gitdir: ${admin}\n`),
    )
    if (place === null)
      throw new Error(`no free name for ${wanted.path} in ${repository.commonDir}/worktrees`)
  } finally {
    await rm(aside, { recursive: true, force: true })
  }
}

/** Ends the registration of a worktree whose directory is away. The caller holds the clone's lock. */
export async function unregister(repository: Repository, path: string): Promise<void> {
  const admin = await findAdminDir(repository.commonDir, path)
  if (admin === null) return
  const aside = await mkdtemp(join(repository.commonDir, PREFIX_GONE))
  await rename(admin, join(aside, 'worktree'))
  await rm(aside, { recursive: true, force: true })
}

/** Removes what a killed process left aside. The caller holds the clone's lock. */
export async function sweep(repository: Repository): Promise<void> {
  for (const name of await readdir(repository.commonDir)) {
    if (!name.startsWith(PREFIX_NEW) && !name.startsWith(PREFIX_GONE)) continue
    await rm(join(repository.commonDir, name), { recursive: true, force: true })
  }
}

/**
 * The administrative directory that the clone itself holds for a worktree at `path` (a real path), whatever the
 * worktree's `.git` says; null when the clone knows none.
 */
export async function findAdminDir(commonDir: string, path: string): Promise<string | null> {
  const directory = join(commonDir, 'worktrees')
  // Usually it is named like its directory.
  const usual = basename(path)
  if (await isAdminDirOf(join(directory, usual), path)) return join(directory, usual)
  const names = await readdir(directory).catch((): string[] => [])
  const likely = names.filter((name) => name.startsWith(usual))
  for (const name of new Set([...likely, ...names])) {
    if (await isAdminDirOf(join(directory, name), path)) return join(directory, name)
  }
  return null
}

async function isAdminDirOf(admin: string, path: string): Promise<boolean> {
  const named = ((await readPlainFile(join(admin, 'gitdir'), 'utf8')) ?? '').trimEnd()
  // Relative when git made, moved or repaired it with worktree.useRelativePaths (2.48).
  const gitFile = named === '' ? '' : resolve(admin, named)
  if (gitFile === join(path, '.git')) return true
  if (basename(dirname(gitFile)) !== basename(path)) return false
  return (await realpath(dirname(gitFile)).catch(() => null)) === path
}

/** The administrative directory that a worktree's `.git` file names; throws when it names none. */
export async function namedAdminDir(path: string): Promise<string> {
  const text = await readPlainFile(join(path, '.git'), 'utf8')
  const match = /^gitdir: (.+?)\n*$/s.exec(text ?? '')
  if (match?.[1] === undefined) throw new Error(`${join(path, '.git')} names no git directory`)
  return resolve(path, match[1])
}

/** Replaces a file of an administrative directory so that git sees the old text or the new. */
export async function replaceFile(file: string, text: string): Promise<void> {
  const temporary = `${file}.scrum4me`
  await writeFile(temporary, text)
  await rename(temporary, file)
}

/**
 * False: the clone keeps its refs, or who may read them, in a way that only git itself should write. Our paths are
 * absolute whatever the user prefers (extensions.relativeWorktrees allows both): relative ones would not outlive the
 * rename of a spare.
 */
function isPlain(repository: Repository): boolean {
  return repository.refsInFiles && settingOf(repository, 'core.sharedrepository') === undefined
}

async function registerByGit(
  git: Git,
  repository: Repository,
  wanted: Registration,
  signal: AbortSignal,
): Promise<void> {
  const plain = onClone(repository, signal)
  const call = { ...plain, config: [...plain.config, 'worktree.useRelativePaths=false'] }
  const { path, sha, branch, lockReason } = wanted
  // git takes no directory that has files, which one has whose registration was lost.
  const aside = await mkdtemp(join(repository.commonDir, PREFIX_NEW))
  try {
    const made = join(aside, basename(path))
    await git.run(call, 'worktree', 'add', '--quiet', '--detach', '--no-checkout', made, sha)
    if (branch !== null) await git.run({ ...call, dir: made }, 'symbolic-ref', 'HEAD', `refs/heads/${branch}`)
    const admin = await namedAdminDir(made)
    await mkdir(path, { recursive: true })
    await writeFile(join(admin, 'locked'), `${lockReason}\n`)
    await replaceFile(join(admin, 'gitdir'), `${join(path, '.git')}\n`)
    await rename(join(made, '.git'), join(path, '.git'))
  } finally {
    await rm(aside, { recursive: true, force: true })
  }
}

async function intoPlace(
  repository: Repository,
  aside: string,
  name: string,
  before: (admin: string) => Promise<void>,
): Promise<string | null> {
  const directory = join(repository.commonDir, 'worktrees')
  await mkdir(directory, { recursive: true })
  for (let count = 0; count < 100; count += 1) {
    const admin = join(directory, count === 0 ? name : `${name}${count}`)
    await before(admin)
    try {
      // A directory takes the place of nothing, or of an empty one.
      await rename(aside, admin)
      return admin
    } catch (error) {
      if (codeOf(error) !== 'ENOTEMPTY' && codeOf(error) !== 'EEXIST') throw error
    }
  }
  return null
}

/** A linked worktree is sparse when the one it is made from is. */
async function copySparse(git: Git, repository: Repository, admin: string): Promise<void> {
  const setting = (key: string) => settingOf(repository, key)
  if (isOn(setting('core.sparsecheckout'))) {
    await mkdir(join(admin, 'info'), { recursive: true })
    await copyFile(
      join(repository.gitDir, 'info/sparse-checkout'),
      join(admin, 'info/sparse-checkout'),
    ).catch(unlessMissing)
  }
  if (!isOn(setting('extensions.worktreeconfig'))) return
  const own = join(admin, 'config.worktree')
  const isThere = await copyFile(join(repository.gitDir, 'config.worktree'), own).then(
    () => true,
    unlessMissing,
  )
  if (isThere !== true) return
  for (const key of ['core.worktree', 'core.bare']) {
    // 5: it was not set.
    await git.run({ ...onClone(repository), expect: [0, 5] }, 'config', '--file', own, '--unset-all', key)
  }
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && /^(|true|yes|on|1)$/i.test(value)
}

/** Of a HEAD's reflog. */
export function firstLogLine(zeroId: string, sha: string): string {
  const seconds = Math.floor(Date.now() / 1000)
  return `${zeroId} ${sha} scrum4me-daemon <daemon@localhost> ${seconds} +0000\tworktree: made for a job\n`
}

function unlessMissing(error: unknown): void {
  if (codeOf(error) !== 'ENOENT') throw error
}
