import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, copyFile, link, mkdir, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { codeOf } from '../../errors.ts'

/**
 * The npm package is not runnable as it lies: npm drops symlinks, and the names that the binaries ask for
 * are listed in `pg-symlinks.json` for an install script that often does not run. So we lay a tree of our own:
 * hard links where the file system allows (nothing is copied, and a server survives the package's removal
 * under it), copies elsewhere. The binaries find `../lib` by themselves.
 */
export async function ensureTree(native: string, parent: string): Promise<string> {
  const tree = join(parent, `postgres-${await fingerprint(native)}`)
  if (await isFile(join(tree, 'complete'))) return tree
  const scratch = `${tree}.${process.pid}.${Date.now()}`
  await rm(scratch, { recursive: true, force: true })
  try {
    await layTree(native, scratch)
    await rm(tree, { recursive: true, force: true })
    await rename(scratch, tree)
  } catch (error) {
    await rm(scratch, { recursive: true, force: true })
    // Another process laid the same tree meanwhile.
    if (await isFile(join(tree, 'complete'))) return tree
    throw error
  }
  return tree
}

/** Changes whenever another version of the package is found, or the same one somewhere else. */
async function fingerprint(native: string): Promise<string> {
  const manifest = await readFile(join(native, '..', 'package.json'), 'utf8')
  const binary = await stat(join(native, 'bin', 'postgres'))
  return createHash('sha256').update(`${manifest}\0${binary.size}`).digest('hex').slice(0, 12)
}

async function layTree(native: string, to: string): Promise<void> {
  for (const part of ['bin', 'lib', 'share']) await layDirectory(join(native, part), join(to, part))
  for (const { source, target } of parseLinks(await readFile(join(native, 'pg-symlinks.json'), 'utf8'))) {
    const at = join(to, relative('native', target))
    await symlink(relative(dirname(target), source), at).catch((error) => {
      if (codeOf(error) !== 'EEXIST') throw error
    })
  }
  await copyFile(join(native, 'pg-symlinks.json'), join(to, 'complete'))
}

async function layDirectory(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true, mode: 0o755 })
  const entries = await readdir(from, { withFileTypes: true })
  const executable = basename(from) === 'bin'
  for (const entry of entries) {
    const source = join(from, entry.name)
    const target = join(to, entry.name)
    if (entry.isDirectory()) {
      // Headers and makefiles for building extensions.
      if (entry.name !== 'pgxs' && entry.name !== 'pkgconfig') await layDirectory(source, target)
    } else if (entry.isFile() && !entry.name.endsWith('.a')) {
      // Symlinks are there only if the install script ran; we make them all ourselves.
      await layFile(source, target, executable)
    }
  }
}

async function layFile(source: string, target: string, executable: boolean): Promise<void> {
  // An installer may have dropped the executable bit; the package's own file is not ours to change.
  // macOS: programs find their libraries from where they lie, and of two names of a file it may tell either. A clone
  // (below) takes no room there.
  const linkable =
    process.platform !== 'darwin' && (!executable || ((await stat(source)).mode & 0o111) === 0o111)
  if (linkable && (await tryLink(source, target))) return
  await copyFile(source, target, constants.COPYFILE_FICLONE)
  await chmod(target, executable ? 0o755 : 0o644)
}

async function tryLink(source: string, target: string): Promise<boolean> {
  try {
    await link(source, target)
    return true
  } catch {
    // Another file system, or a file of another user (`fs.protected_hardlinks`).
    return false
  }
}

function parseLinks(text: string): { source: string; target: string }[] {
  const parsed: unknown = JSON.parse(text)
  if (!Array.isArray(parsed)) return []
  return parsed.flatMap((item: unknown) =>
    typeof item === 'object' &&
    item !== null &&
    'source' in item &&
    'target' in item &&
    typeof item.source === 'string' &&
    typeof item.target === 'string'
      ? [{ source: item.source, target: item.target }]
      : [],
  )
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  )
}
