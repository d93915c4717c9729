import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readPlainFile } from '../../../daemon/worktrees/git/read-plain-file.ts'
import { findAdminDir } from '../../../daemon/worktrees/git/registration.ts'

let dir: string
let file: string

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 's4m-plain-'))
  file = join(dir, 'file')
})
afterEach(() => rm(dir, { recursive: true }))

const KIB = 1024

describe('a plain file', () => {
  it.each([
    0,
    1,
    16 * KIB - 1,
    16 * KIB,
    16 * KIB + 1,
    100 * KIB,
    4 * KIB * KIB,
  ])('of %i bytes is read whole', async (size) => {
    const text = 'héllo wörld\n'.repeat(size / 12 + 1).slice(0, size)
    await writeFile(file, text, 'latin1')
    expect((await readPlainFile(file)) === text).toBe(true)
  })

  it('is read as the text it is, also where a character begins at the end of the first part', async () => {
    const text = `${'x'.repeat(16 * KIB - 1)}é and more`
    await writeFile(file, text)
    expect((await readPlainFile(file, 'utf8')) === text).toBe(true)
  })

  it('that is too large is none', async () => {
    await writeFile(file, '')
    await truncate(file, 4 * KIB * KIB + 1)
    expect(await readPlainFile(file)).toBeNull()
  })

  it('that is not there is empty', async () => {
    expect(await readPlainFile(file)).toBe('')
  })
})

it('a pipe, a directory, a loop of links or a device without end is no plain file, and nobody waits', async () => {
  execFileSync('mkfifo', [file])
  await mkdir(join(dir, 'directory'))
  await symlink('loop', join(dir, 'loop'))
  await symlink('/dev/zero', join(dir, 'device'))
  for (const name of ['file', 'directory', 'loop', 'device']) {
    expect(await readPlainFile(join(dir, name))).toBeNull()
  }
})

it('a pipe among the registrations of a clone keeps nobody from finding another', async () => {
  for (const name of ['a-pipe', 'other']) await mkdir(join(dir, 'worktrees', name), { recursive: true })
  execFileSync('mkfifo', [join(dir, 'worktrees/a-pipe/gitdir')])
  await writeFile(join(dir, 'worktrees/other/gitdir'), `${join(dir, 'a-pipe/.git')}\n`)
  expect(await findAdminDir(dir, join(dir, 'a-pipe'))).toBe(join(dir, 'worktrees/other'))
})
