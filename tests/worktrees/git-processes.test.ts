import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Worktrees } from '../../daemon/worktrees/worktrees.ts'
import { spareReady } from './support/spare-ready.ts'
import { Workspace } from './support/workspace.ts'

let space: Workspace
let engine: Worktrees
let log: string
let env: NodeJS.ProcessEnv

beforeEach(async () => {
  space = await Workspace.open()
  await space.makeClone()
  const bin = join(space.dir, 'bin')
  log = join(space.dir, 'git.log')
  await mkdir(bin)
  const script = `#!/bin/sh\necho git >> ${log}\nPATH=${process.env.PATH} exec git "$@"\n`
  await writeFile(join(bin, 'git'), script)
  await chmod(join(bin, 'git'), 0o755)
  env = { PATH: `${bin}:${process.env.PATH}`, HOME: space.env.HOME }
  engine = space.engine({ spares: true, env })
})
afterEach(() => space.close())

/** How many git commands the daemon itself starts meanwhile; git's own children are not its. */
async function commandsOf(work: () => Promise<unknown>): Promise<number> {
  await writeFile(log, '')
  await work()
  return (await readFile(log, 'utf8')).split('\n').length - 1
}

const create = (jobId: string) => engine.create({ jobId, repoRoot: space.clone })
const remove = (jobId: string) => engine.remove({ jobId, branch: 'delete' })

/** A process costs milliseconds, and a machine has many jobs: whoever adds one says here why it is worth it. */
test('how many git processes a job costs', { timeout: 60_000 }, async () => {
  // A clone made this very second is asked about itself once more.
  const unknown = await commandsOf(() => create('job-unknown'))
  await engine.start()
  await create('job-spared')
  await spareReady(space)
  await create('job-known')
  await spareReady(space)
  const fromSpare = await commandsOf(() => create('job-second'))
  await engine.stop()
  // The next spare is made in the background, at other costs.
  engine = space.engine({ env })
  await create('job-again')
  const plain = await commandsOf(() => create('job-plain'))

  const pushed = await engine.find('job-plain')
  await space.commit(pushed?.path ?? '', 'work.txt', 'work')
  await space.git(pushed?.path ?? '', 'push', '--quiet', 'origin', 'HEAD')
  const isPushed = await commandsOf(() => engine.headIsPushed('job-plain', pushed?.branch ?? ''))
  const removePushed = await commandsOf(() =>
    engine.remove({ jobId: 'job-plain', branch: 'keep', reportedBranch: pushed?.branch }),
  )
  const removeUntouched = await commandsOf(() => remove('job-spared'))
  const dirty = await engine.find('job-second')
  await space.commit(dirty?.path ?? '', 'work.txt', 'work')
  await writeFile(join(dirty?.path ?? '', 'untracked.txt'), 'untracked')
  await writeFile(join(dirty?.path ?? '', 'src/a.txt'), 'modified')
  const removeWithWork = await commandsOf(() => remove('job-second'))
  expect({ unknown, plain, fromSpare, isPushed, removePushed, removeUntouched, removeWithWork }).toEqual({
    unknown: 5,
    plain: 3,
    fromSpare: 2,
    isPushed: 1,
    removePushed: 11,
    removeUntouched: 12,
    removeWithWork: 27,
  })
})
