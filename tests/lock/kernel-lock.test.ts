import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { takeKernelLock } from '../../daemon/lock/kernel-lock.ts'

const PATH = process.env.PATH
const perl = spawnSync('sh', ['-c', 'command -v perl']).stdout.toString().trim()

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kernel-lock-'))
  onTestFinished(async () => {
    process.env.PATH = PATH
    await rm(dir, { recursive: true })
  })
})

// macOS has perl and no flock.
test('perl takes the same locks as flock', async () => {
  await symlink(perl, join(dir, 'perl'))
  const file = join(dir, 'lock')
  const first = await takeKernelLock(file)
  process.env.PATH = dir
  expect(await takeKernelLock(file)).toBeNull()
  expect(await takeKernelLock(file, { waitSeconds: 1 })).toBeNull()
  const next = takeKernelLock(file, { waitSeconds: 30 })
  await first?.release()
  const second = await next
  expect(await second?.isCurrent()).toBe(true)
  expect(await takeKernelLock(file)).toBeNull()
  process.env.PATH = PATH
  expect(await takeKernelLock(file)).toBeNull()
  await second?.release()
  const third = await takeKernelLock(file)
  expect(third).not.toBeNull()
  await third?.release()
})

test('a file that is replaced between opening and locking guards nothing: the one at its path is locked', async () => {
  const file = join(dir, 'lock')
  const replace = `[ -e '${file}.old' ] || { PATH='${PATH}'; mv '${file}' '${file}.old'; : > '${file}'; }`
  await writeFile(join(dir, 'perl'), `#!/bin/sh\n${replace}\nexec ${perl} "$@"\n`, { mode: 0o755 })
  process.env.PATH = dir
  const lock = await takeKernelLock(file)
  expect(existsSync(`${file}.old`)).toBe(true)
  expect(await lock?.isCurrent()).toBe(true)
  await lock?.release()
})

test('a helper that cannot lock at all is told from a lock that another holds', async () => {
  await writeFile(join(dir, 'perl'), '#!/bin/sh\nexit 9\n', { mode: 0o755 })
  process.env.PATH = dir
  await expect(takeKernelLock(join(dir, 'lock'))).rejects.toThrow('perl could not lock a file (exit 9)')
})
