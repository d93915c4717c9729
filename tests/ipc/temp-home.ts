import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { ensureHome } from '../../daemon/ipc/ensure-home.ts'
import { type Paths, resolvePaths } from '../../daemon/paths.ts'

/** A home of its own for one test, removed with it. Short, because sockets live in it. */
export async function tempHome(): Promise<Paths> {
  const home = await tempDirectory()
  const paths = resolvePaths({ SCRUM4ME_HOME: join(home, 'h') })
  await ensureHome(paths)
  return paths
}

export async function tempDirectory(): Promise<string> {
  const directory = await mkdtemp('/tmp/s4m-')
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}
