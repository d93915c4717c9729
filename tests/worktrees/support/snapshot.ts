import { createHash } from 'node:crypto'
import { lstat, readdir, readFile, readlink } from 'node:fs/promises'

/** Every file below a directory: mode, kind and content, by its path's bytes. The worktree's own `.git` apart. */
export async function snapshot(root: string, leaveOut: RegExp = /^\.git$/): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  const walk = async (relative: Buffer): Promise<void> => {
    const directory = relative.length === 0 ? Buffer.from(root) : join(Buffer.from(root), relative)
    for (const name of await readdir(directory, { encoding: 'buffer' })) {
      const path = relative.length === 0 ? name : join(relative, name)
      if (leaveOut.test(path.toString('latin1'))) continue
      const full = join(Buffer.from(root), path)
      const stats = await lstat(full)
      const key = path.toString('latin1')
      if (stats.isDirectory()) await walk(path)
      else if (stats.isSymbolicLink()) found[key] = `link ${await readlink(full)}`
      else if (stats.isFile()) {
        const hash = createHash('sha256')
          .update(await readFile(full))
          .digest('hex')
          .slice(0, 16)
        found[key] = `${(stats.mode & 0o100) !== 0 ? 'x' : '-'} ${stats.size} ${hash}`
      }
    }
  }
  await walk(Buffer.alloc(0))
  return found
}

function join(directory: Buffer, name: Buffer): Buffer {
  return Buffer.concat([directory, Buffer.from('/'), name])
}
