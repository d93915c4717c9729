import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { program } from '../world/programs.ts'
import type { Tenant } from '../world/tenant.ts'
import type { World } from '../world/world.ts'

export const PER_SESSION_SERVER = program('rivals/per-session-server.js')

/** What a per-session server of this tenant is configured with. */
export async function sessionEnvironment(
  world: World,
  tenant: Tenant,
  repoRoots: Record<string, string> = {},
): Promise<Record<string, string>> {
  const worktrees = join(world.dir, `${tenant.database}-worktrees`)
  await mkdir(worktrees, { recursive: true })
  return {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    HOME: world.dir,
    DATABASE_URL: tenant.url,
    SCRUM4ME_TOKEN: tenant.token,
    WORKTREE_DIR: worktrees,
    REPO_ROOTS: JSON.stringify(repoRoots),
  }
}
