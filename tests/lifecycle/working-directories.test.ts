import { spawn, spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { parseLsof, workingDirectories } from '../../daemon/lifecycle/working-directories.ts'

test('reads what lsof says, also of names that it cannot print', () => {
  const output =
    'p12\ncnode\nfcwd\nn/srv/tree\np13\nczsh\\x20x\nfcwd\nn/Users/jos\\xc3\\xa9/a\\\\b\\tc\np14\ncsh\n'
  expect(parseLsof(output)).toEqual([
    { pid: 12, name: 'node', cwd: '/srv/tree' },
    { pid: 13, name: 'zsh x', cwd: '/Users/josé/a\\b\tc' },
  ])
})

// Linux may have lsof, too; macOS always has it.
test.skipIf(spawnSync('lsof', ['-v']).status !== 0)(
  'finds who stands in a directory of any name',
  async () => {
    const place = await realpath(await mkdtemp(join(tmpdir(), 'standing-')))
    onTestFinished(() => rm(place, { recursive: true }))
    const cwd = join(place, 'josé \\x41 日本')
    await mkdir(cwd)
    const child = spawn('sh', ['-c', 'read line'], { cwd })
    onTestFinished(() => void child.kill('SIGKILL'))
    const pid = child.pid ?? 0
    expect(await workingDirectories([pid])).toEqual([{ pid, name: 'sh', cwd }])
    expect(await workingDirectories()).toContainEqual({ pid, name: 'sh', cwd })
    expect(await workingDirectories([2 ** 22 + 1])).toEqual([])
  },
)
