import { readdir, readFile, readlink } from 'node:fs/promises'
import { workingDirectories } from '../lifecycle/working-directories.ts'

export interface Standing {
  readonly pid: number
  readonly name: string
}

/**
 * Processes whose working directory is at or below `path` (a real path). Those of other users are
 * invisible unless we are root; they could not write into our worktree either. Throws when they cannot be known.
 */
export async function processesIn(
  path: string,
  platform: NodeJS.Platform = process.platform,
): Promise<Standing[]> {
  if (platform === 'linux') return fromProc(path)
  const standing = await workingDirectories()
  const own = folded(path)
  return standing.flatMap(({ pid, name, cwd }) => (isWithin(own, folded(cwd)) ? [{ pid, name }] : []))
}

async function fromProc(path: string): Promise<Standing[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(
    pids.map(async (pid) => {
      // Gone meanwhile, a zombie, or not ours to see.
      const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => null)
      if (cwd === null || !isWithin(path, cwd)) return []
      const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '?')
      return [{ pid: Number(pid), name: name.trim() }]
    }),
  )
  return found.flat()
}

/** macOS takes names of another case or composition for the same. Where it does not, we wait once too often. */
function folded(path: string): string {
  return path.normalize('NFC').toLowerCase()
}

function isWithin(parent: string, path: string): boolean {
  return path === parent || path.startsWith(`${parent}/`)
}
