import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Git } from '../../../daemon/worktrees/git/git.ts'
import { areAbsent, branchTip } from '../../../daemon/worktrees/git/read-ref.ts'
import { openRepository } from '../../../daemon/worktrees/git/repository.ts'
import { cloneWithOrigin, git as person } from '../../support/git.ts'

let dir: string
let clone: string
const git = () => new Git({ env: { PATH: process.env.PATH, HOME: dir } })
const tip = async (ref: string) => branchTip(git(), await openRepository(git(), clone), ref)

const absent = async (ref: string) => areAbsent(await openRepository(git(), clone), [ref])

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 's4m-ref-'))
  clone = (await cloneWithOrigin(dir)).clone
})
afterEach(() => rm(dir, { recursive: true, force: true }))

test('says what git says: packed, loose, loose over packed, absent', async () => {
  const said = (ref: string) => person(clone, 'rev-parse', ref).then((text) => text.trim())
  const first = await said('refs/remotes/origin/main')
  await person(clone, 'pack-refs', '--all')
  expect(await tip('refs/remotes/origin/main')).toBe(first)
  await person(clone, 'commit', '-q', '--allow-empty', '-m', 'more')
  await person(clone, 'update-ref', 'refs/remotes/origin/main', 'HEAD')
  expect(await tip('refs/remotes/origin/main')).toBe(await said('HEAD'))
  expect(await tip('refs/remotes/origin/main')).not.toBe(first)
  await person(clone, 'update-ref', 'refs/remotes/origin/other-main', first)
  await person(clone, 'pack-refs', '--all')
  expect(await tip('refs/remotes/origin/main')).toBe(await said('HEAD'))
  expect(await tip('refs/remotes/origin/none')).toBeNull()
  expect(await absent('refs/remotes/origin/none')).toBe(true)
  expect(await absent('refs/remotes/origin/main')).toBe(false)
  expect(await absent('refs/remotes/origin/other-main')).toBe(false)
})

test('a file that holds no object id is left to git', async () => {
  await person(clone, 'symbolic-ref', 'refs/heads/alias', 'refs/remotes/origin/main')
  expect(await tip('refs/heads/alias')).toBe((await person(clone, 'rev-parse', 'origin/main')).trim())
  await writeFile(join(clone, '.git/refs/heads/broken'), 'nothing\n')
  expect(await tip('refs/heads/broken')).toBeNull()
  expect(await absent('refs/heads/broken')).toBe(false)
})

test('what is kept of a ref is its id, not the file that it stood in', async () => {
  await person(clone, 'pack-refs', '--all')
  const head = (await person(clone, 'rev-parse', 'HEAD')).trim()
  const packed = join(clone, '.git/packed-refs')
  const tags = Array.from({ length: 30_000 }, (_, n) => `${head} refs/tags/${String(n).padStart(8, '0')}\n`)
  await writeFile(packed, (await readFile(packed, 'utf8')) + tags.join(''))
  const repository = await openRepository(git(), clone)
  const read = () => branchTip(git(), repository, 'refs/remotes/origin/main')
  await read()
  const { size } = await stat(packed)
  const before = heapBytes()
  const kept: (string | null)[] = []
  for (let n = 0; n < 10; n += 1) kept.push(await read())
  expect(heapBytes() - before).toBeLessThan(size)
  expect(new Set(kept)).toEqual(new Set([head]))
})

function heapBytes(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return process.memoryUsage().heapUsed
}
