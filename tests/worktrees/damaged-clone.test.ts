import { existsSync } from 'node:fs'
import { chmod, type FileHandle, open, readFile, readlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { snapshot } from './support/snapshot.ts'
import { Workspace } from './support/workspace.ts'

const JOB = 'cjob0000000000000000abcd1234'
let space: Workspace
beforeEach(async () => {
  space = await Workspace.open()
  await space.makeClone()
})
afterEach(() => space.close())

/** An agent's git does not flush objects, so that a power cut leaves files of them empty, of zeros, or cut short. */
async function damage(id: string, how: 'empty' | 'zeros' | 'short'): Promise<void> {
  const file = join(space.clone, '.git/objects', id.slice(0, 2), id.slice(2))
  await chmod(file, 0o600)
  if (how === 'zeros') await writeFile(file, Buffer.alloc(60))
  else await truncate(file, how === 'empty' ? 0 : 4096)
}

async function work() {
  const engine = space.engine()
  const { path } = await engine.create({ jobId: JOB, repoRoot: space.clone })
  const long = Array.from({ length: 9000 }, (_, n) => `${(n * 7919) % 10_007} ${n}`).join('\n')
  await space.commit(path, 'dir/committed.txt', `committed ${long}`)
  await writeFile(join(path, 'staged.txt'), `staged ${long}`)
  await space.git(path, 'add', 'staged.txt')
  return { engine, path }
}

test.each([
  [':staged.txt', 'empty'],
  [':staged.txt', 'zeros'],
  [':staged.txt', 'short'],
  ['HEAD:dir/committed.txt', 'empty'],
  ['HEAD:dir', 'zeros'],
] as const)('%s is %s in the clone, and the file is still there: saved from it', async (object, how) => {
  const { engine, path } = await work()
  const before = await snapshot(path)
  const ask = async (at: string) => [
    await space.git(at, 'rev-parse', 'HEAD'),
    await space.git(at, 'ls-files', '-s'),
  ]
  const told = await ask(path)
  await damage(await space.git(path, 'rev-parse', object), how)

  expect(await engine.remove({ jobId: JOB, branch: 'delete' })).toMatchObject({
    outcome: 'removed',
    salvageRef: `refs/scrum4me/salvage/${JOB}/1`,
  })
  const restored = await engine.restore({ jobId: JOB })
  expect(await snapshot(restored.path)).toEqual(before)
  expect(await ask(restored.path)).toEqual(told)
  expect(await space.git(space.clone, 'fsck', '--no-dangling', '--no-progress')).toBe('')
})

test('what somebody’s gc takes away while it is being named is written again', async () => {
  const { engine, path } = await work()
  await writeFile(join(path, 'untracked.txt'), 'untracked')
  const before = await snapshot(path)
  await engine.stop()
  const [armed, bin] = [join(space.dir, 'armed'), join(space.dir, 'bin')]
  const collect = `find '${space.clone}/.git/objects' -type f -newer '${armed}' -exec rm -f {} +; rm '${armed}'`
  const script = [
    '#!/bin/sh',
    `PATH='${process.env.PATH}'`,
    // A gc that looked for what is named just before the ref was made deletes just after.
    `case " $* " in *" update-ref -m salvage "*) git "$@" || exit; [ ! -e '${armed}' ] || { ${collect}; }; exit 0;; esac`,
    'exec git "$@"',
  ]
  await space.write(join(bin, 'git'), script.join('\n'))
  await chmod(join(bin, 'git'), 0o755)
  await writeFile(armed, '')
  const next = space.engine({ env: { PATH: `${bin}:${process.env.PATH}`, HOME: space.env.HOME } })
  expect(await next.remove({ jobId: JOB, branch: 'delete' })).toMatchObject({
    outcome: 'removed',
    salvageRef: `refs/scrum4me/salvage/${JOB}/1`,
  })
  expect(existsSync(armed)).toBe(false)
  expect(await snapshot((await next.restore({ jobId: JOB })).path)).toEqual(before)
  expect(await space.git(space.clone, 'fsck', '--no-dangling', '--no-progress')).toBe('')
})

test.skipIf(process.platform !== 'linux')(
  'what an agent’s git left to the kernel’s memory is on the disk before the worktree goes',
  async () => {
    const { engine, path } = await work()
    const ids = await Promise.all(['HEAD', ':staged.txt'].map((name) => space.git(path, 'rev-parse', name)))
    const handle = await open(join(path, 'staged.txt'))
    const handles: { datasync(): Promise<void> } = Object.getPrototypeOf(handle)
    await handle.close()
    const flush = handles.datasync
    const flushed: string[] = []
    const spy = vi.spyOn(handles, 'datasync').mockImplementation(async function (this: FileHandle) {
      flushed.push(await readlink(`/proc/self/fd/${this.fd}`))
      await flush.call(this)
    })
    onTestFinished(() => spy.mockRestore())
    await engine.remove({ jobId: JOB, branch: 'delete' })
    const files = ids.map((id) => join(space.clone, '.git/objects', id.slice(0, 2), id.slice(2)))
    expect(flushed).toEqual(expect.arrayContaining(files))
  },
)

test('what only the history held is damaged: everything stays where it is', async () => {
  const { engine, path } = await work()
  const old = await space.git(path, 'rev-parse', 'HEAD:dir/committed.txt')
  await space.commit(path, 'dir/committed.txt', 'something else')
  const before = await snapshot(path)
  await damage(old, 'empty')
  const outcome = await engine.remove({ jobId: JOB, branch: 'delete' })
  expect(outcome).toMatchObject({ outcome: 'kept', reason: expect.stringContaining('cannot be read back') })
  expect(await snapshot(path)).toEqual(before)
  expect(await engine.saved()).toEqual([])
})

test('a clone whose refs git cannot read hides no saved work of others, and is told', async () => {
  const { engine } = await work()
  await engine.remove({ jobId: JOB, branch: 'delete' })
  const other = join(space.dir, 'other')
  await space.git(space.dir, 'clone', '--quiet', space.origin, other)
  await engine.create({ jobId: 'job-of-other', repoRoot: other })
  const refs = join(other, '.git/packed-refs')
  const whole = await readFile(refs)
  await writeFile(refs, Buffer.alloc(whole.length))

  expect(await engine.saved()).toMatchObject([{ jobId: JOB }])
  expect(engine.faults).toEqual([expect.stringContaining(`Saved work in ${other} cannot be listed`)])
  expect((await engine.restore({ jobId: JOB })).ref).toContain(JOB)
  await expect(engine.restore({ jobId: 'job-elsewhere' })).rejects.toMatchObject({ code: 'WORKTREE_FAILED' })

  await writeFile(refs, whole)
  await engine.saved()
  expect(engine.faults).toEqual([])
  await expect(engine.restore({ jobId: 'job-elsewhere' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
})
