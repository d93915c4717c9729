import { spawn, spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { processesIn } from '../../daemon/worktrees/standing.ts'

// Linux may have lsof, which macOS is asked with, too.
test.skipIf(spawnSync('lsof', ['-v']).status !== 0)(
  'on macOS whoever stands in a worktree is seen by any name of it',
  async () => {
    const place = await realpath(await mkdtemp(join(tmpdir(), 'standing-')))
    onTestFinished(() => rm(place, { recursive: true }))
    const path = join(place, 'José')
    await mkdir(join(path, 'below'), { recursive: true })
    const child = spawn('sh', ['-c', 'read line'], { cwd: join(path, 'below') })
    onTestFinished(() => void child.kill('SIGKILL'))
    const found = [{ pid: child.pid, name: 'sh' }]
    expect(await processesIn(path, 'darwin')).toEqual(found)
    expect(await processesIn(join(place, 'josé'.normalize('NFD')), 'darwin')).toEqual(found)
    expect(await processesIn(join(place, 'jos'), 'darwin')).toEqual([])
  },
)
