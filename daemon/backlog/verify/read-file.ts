import { createHash } from 'node:crypto'
import { lstat, readFile as read, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'

const MAX_BYTES = 256 * 1024

/** A regular file of the worktree itself, not too large; undefined for anything else: a link could lead anywhere. */
export async function readFile(top: string, path: string): Promise<Buffer | undefined> {
  const file = join(top, path)
  try {
    const stat = await lstat(file)
    if (!stat.isFile() || stat.size > MAX_BYTES) return undefined
    if (!(await realpath(file)).startsWith(top + sep)) return undefined
    return await read(file)
  } catch {
    return undefined
  }
}

/** The object id git would give the content without filters; `like` is an id of the repository's kind. */
export function blobId(content: Buffer, like: string): string {
  const hash = createHash(like.length === 64 ? 'sha256' : 'sha1')
  return hash.update(`blob ${content.length}\0`).update(content).digest('hex')
}
