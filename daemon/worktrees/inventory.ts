import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Engine } from './engine.ts'
import { listWorktrees, onClone, type Repository } from './git/repository.ts'
import type { ListedWorktree } from './git/worktree-list.ts'
import type { JobRecord } from './job-record.ts'
import { type Marker, parseMarker } from './marker.ts'
import { knownClones } from './salvage/saved-work.ts'

/** Something at `<worktree directory>/<name>`, seen from three sides: our records, the clones, the disk. */
export interface Found {
  readonly name: string
  /** Real path. */
  readonly path: string
  readonly record: JobRecord | null
  readonly listed: {
    readonly repository: Repository
    readonly worktree: ListedWorktree
    readonly marker: Marker | null
  } | null
  readonly isThere: boolean
}

/**
 * Everything directly below the worktree directory but names that begin with a dot, as our trash and `.spare` do, and
 * whatever our records name elsewhere.
 */
export async function takeInventory(engine: Engine, clones: readonly string[]): Promise<Found[]> {
  const parent = await engine.layout.open()
  const records = new Map((await engine.records.jobs()).map((record) => [record.path, record]))
  const listed = new Map<string, NonNullable<Found['listed']>>()
  for (const repository of await knownClones(engine, clones)) {
    const worktrees = await listWorktrees(engine.git, onClone(repository, engine.stopping)).catch(() => [])
    for (const worktree of worktrees) {
      // Elsewhere since SCRUM4ME_AGENT_WORKTREE_DIR changed, or another installation's, whose home ours is a copy of:
      // its lock says which.
      if (dirname(worktree.path) !== parent && !records.has(worktree.path)) continue
      listed.set(worktree.path, { repository, worktree, marker: parseMarker(worktree.lockReason) })
    }
  }
  const onDisk = (await readdir(parent, { withFileTypes: true }))
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => join(parent, entry.name))
  const there = new Set(onDisk)
  const paths = [...new Set([...records.keys(), ...listed.keys(), ...onDisk])].sort()
  return paths.map((path) => ({
    name: path.slice(dirname(path).length + 1),
    path,
    record: records.get(path) ?? null,
    listed: listed.get(path) ?? null,
    isThere: there.has(path),
  }))
}
