import { type Standing, standingProcesses } from '../lifecycle/standing-processes.ts'

/**
 * Processes whose working directory is at or below `path` (a real path). Those of other users are
 * invisible unless we are root; they could not write into our worktree either. Throws when they cannot be known.
 */
export function processesIn(path: string, platform: NodeJS.Platform = process.platform): Promise<Standing[]> {
  const named = platform === 'linux' ? (name: string) => name : folded
  const own = named(path)
  return standingProcesses((cwd) => isWithin(own, named(cwd)), undefined, platform)
}

/** Those processes, by name and id, as a reason why a worktree stays; null when nobody stands in it. */
export async function whoStands(path: string): Promise<string | null> {
  const standing = await processesIn(path)
  if (standing.length === 0) return null
  return `${standing.map(({ name, pid }) => `${name} (${pid})`).join(', ')} still in it`
}

/** macOS takes names of another case or composition for the same. Where it does not, we wait once too often. */
function folded(path: string): string {
  return path.normalize('NFC').toLowerCase()
}

function isWithin(parent: string, path: string): boolean {
  return path === parent || path.startsWith(`${parent}/`)
}
