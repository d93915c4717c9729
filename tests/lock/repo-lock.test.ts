import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { takeKernelLock } from '../../daemon/lock/kernel-lock.ts'
import { RepoLock } from '../../daemon/lock/repo-lock.ts'
import { compileProgram, Program } from '../ipc/run-program.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'scrum4me-lock-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

async function contenders(count: number, rounds: number): Promise<Program[]> {
  const source = fileURLToPath(new URL('./programs/contender.ts', import.meta.url))
  const program = await compileProgram(source)
  onTestFinished(() => program.remove())
  return Array.from(
    { length: count },
    (_, index) => new Program(process.execPath, [program.file, dir, String(index), String(rounds)]),
  )
}

test('within a process: one at a time, and the mark is there while it is held', async () => {
  const lock = new RepoLock()
  let inside = 0
  await Promise.all(
    Array.from({ length: 5 }, () =>
      lock.run(dir, undefined, async () => {
        inside += 1
        expect(inside).toBe(1)
        expect(existsSync(join(dir, 'scrum4me.lock.lock'))).toBe(true)
        await new Promise(setImmediate)
        inside -= 1
      }),
    ),
  )
  expect(existsSync(join(dir, 'scrum4me.lock.lock'))).toBe(false)
})

test('is held until the work is over, also for longer than it is kept for the next in line', async () => {
  await new RepoLock().run(dir, undefined, async () => {
    expect(await takeKernelLock(join(dir, 'scrum4me.lock'), { waitSeconds: 1 })).toBeNull()
    expect(existsSync(join(dir, 'scrum4me.lock.lock'))).toBe(true)
  })
})

test('between processes, one of them stopped for seconds: never two owners', async () => {
  const all = await contenders(4, 15)
  const [stopped] = all
  await stopped?.line(/^took/)
  stopped?.child.kill('SIGSTOP')
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  stopped?.child.kill('SIGCONT')
  expect(await Promise.all(all.map((one) => one.exited))).toEqual([0, 0, 0, 0])
  expect(all.flatMap((one) => one.lines).filter((line) => line.startsWith('OVERLAP'))).toEqual([])
  expect(all.flatMap((one) => one.lines).filter((line) => line.startsWith('took'))).toHaveLength(60)
})

test('an owner that was killed is no obstacle, its mark neither', async () => {
  const [owner] = await contenders(1, 1_000_000)
  await owner?.line(/^took/)
  owner?.child.kill('SIGKILL')
  await owner?.exited
  await mkdir(join(dir, 'scrum4me.lock.lock')).catch(() => undefined)
  const started = performance.now()
  await new RepoLock().run(dir, undefined, async () => undefined)
  // Without the kernel's word it would have waited for the mark to go stale, 10 s.
  expect(performance.now() - started).toBeLessThan(5_000)
})

test('held by another process for too long: said so, by its file', async () => {
  const holder = await takeKernelLock(join(dir, 'scrum4me.lock'))
  const lock = new RepoLock({ waitSeconds: 1 })
  await expect(lock.run(dir, undefined, async () => undefined)).rejects.toThrow(/scrum4me\.lock for 1 s/)
  await holder?.release()
  expect(await lock.run(dir, undefined, async () => 'mine')).toBe('mine')
})

test('waiting for another process ends when it is called off', async () => {
  const holder = await takeKernelLock(join(dir, 'scrum4me.lock'))
  const call = new AbortController()
  const waiting = new RepoLock().run(dir, call.signal, async () => undefined)
  setTimeout(() => call.abort(), 50)
  await expect(waiting).rejects.toMatchObject({ code: 'WORKTREE_FAILED' })
  await holder?.release()
})

test('a lock that is used again and again is given to another process in between', async () => {
  const lock = new RepoLock()
  let over = false
  const busy = (async () => {
    while (!over) await lock.run(dir, undefined, () => new Promise((resolve) => setTimeout(resolve, 20)))
  })()
  const [other] = await contenders(1, 3)
  const code = await other?.exited
  over = true
  await busy
  expect(code).toBe(0)
  expect(other?.lines.filter((line) => line.startsWith('OVERLAP'))).toEqual([])
})

test('a lock file that was replaced meanwhile is not taken for held', async () => {
  const lock = new RepoLock({ waitSeconds: 1 })
  await lock.run(dir, undefined, async () => undefined)
  await rm(join(dir, 'scrum4me.lock'))
  const holder = await takeKernelLock(join(dir, 'scrum4me.lock'))
  await expect(lock.run(dir, undefined, async () => undefined)).rejects.toThrow(/scrum4me\.lock for 1 s/)
  await holder?.release()
  expect(await lock.run(dir, undefined, async () => 'mine')).toBe('mine')
})

test('a clone that cannot be written to is a clear error', async () => {
  await writeFile(join(dir, 'file'), '')
  await expect(new RepoLock().run(join(dir, 'file'), undefined, async () => undefined)).rejects.toMatchObject(
    {
      code: 'WORKTREE_FAILED',
    },
  )
})
