import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, cp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Worktrees } from '../../daemon/worktrees/worktrees.ts'
import { Workspace } from './support/workspace.ts'

// A clone that was harmless when it was opened, and is remembered since.
let space: Workspace
let engine: Worktrees
let ran: string
let program: string

beforeEach(async () => {
  ;({ space, engine } = await Workspace.withEngine())
  ran = join(space.dir, 'RAN')
  program = join(space.dir, 'program.sh')
  await writeFile(program, `#!/bin/sh\ntouch ${ran}\n`)
  await chmod(program, 0o755)
  await engine.create({ jobId: 'job-before', repoRoot: space.clone })
})
afterEach(() => space.close())

/** A configuration whose program git would run at the next fetch. */
async function arm(gitDir: string): Promise<void> {
  await writeFile(join(gitDir, 'objects/info/alternates'), `${join(space.dir, 'seed/.git/objects')}\n`)
  await space.git(gitDir, 'config', 'core.alternateRefsCommand', program)
}

async function create(): Promise<unknown> {
  await space.pushFromElsewhere()
  return engine.create({ jobId: 'job-after', repoRoot: space.clone }).catch((error: unknown) => error)
}

describe('runs no program', () => {
  it('of its own configuration', async () => {
    await arm(join(space.clone, '.git'))
    expect(await create()).toMatchObject({ baseFetched: true })
    expect(existsSync(ran)).toBe(false)
  })

  it('of the directory that a new .git/commondir names', async () => {
    const other = join(space.dir, 'other')
    await cp(join(space.clone, '.git'), other, { recursive: true })
    await arm(other)
    await writeFile(join(space.clone, '.git/commondir'), `${other}\n`)
    await create()
    expect(existsSync(ran)).toBe(false)
  })

  it('of a repository around it, once it is none itself', async () => {
    await space.git(space.dir, 'init', '--quiet')
    await space.git(space.dir, 'remote', 'add', 'origin', space.origin)
    await space.git(space.dir, 'fetch', '--quiet')
    await arm(join(space.dir, '.git'))
    await rm(join(space.clone, '.git/HEAD'))
    await create()
    expect(existsSync(ran)).toBe(false)
  })
})

it('a pipe where a configuration could be keeps no job waiting', async () => {
  execFileSync('mkfifo', [join(space.clone, '.git/config.worktree')])
  // Each that read it would take one of the few threads that read files, for good.
  const jobs = Array.from({ length: 6 }, (_, n) =>
    engine.create({ jobId: `job-${n}`, repoRoot: space.clone }),
  )
  for (const made of await Promise.all(jobs)) expect(made).toMatchObject({ baseFetched: true })
})
