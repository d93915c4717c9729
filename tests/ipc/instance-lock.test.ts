import { mkdir, readdir, rm, rmdir, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type InstanceLock, takeInstanceLock } from '../../daemon/ipc/instance-lock.ts'
import { createLogger } from '../../daemon/logger.ts'
import type { Paths } from '../../daemon/paths.ts'
import { until } from '../support/until.ts'
import { holders } from './holder.ts'
import { tempHome } from './temp-home.ts'

const holder = holders()

async function take(paths: Paths) {
  const lost: string[] = []
  const log: string[] = []
  const result = await takeInstanceLock(paths, {
    logger: createLogger('info', { write: (line) => void log.push(line) }),
    onLost: (reason) => void lost.push(reason),
  })
  if ('heldBy' in result) throw new Error(`held by ${result.heldBy}`)
  onTestFinished(() => result.release())
  return { lock: result satisfies InstanceLock, lost, log }
}

test('a second daemon learns who holds the home, and gets it once that one is killed', async () => {
  const paths = await tempHome()
  const first = holder.start(paths)
  await first.line(/^serving/)
  const options = { logger: createLogger('silent', { write: () => undefined }), onLost: () => undefined }
  expect(await takeInstanceLock(paths, options)).toEqual({ heldBy: first.pid })
  first.child.kill('SIGKILL')
  await first.exited
  await take(paths)
})

test('a stopped holder keeps the home, however old its mark grows', async () => {
  const paths = await tempHome()
  const first = holder.start(paths)
  await first.line(/^serving/)
  first.child.kill('SIGSTOP')
  const long = new Date(Date.now() - 3_600_000)
  await utimes(join(paths.runDir, 'daemon.alive'), long, long)
  const options = { logger: createLogger('silent', { write: () => undefined }), onLost: () => undefined }
  expect(await takeInstanceLock(paths, options)).toEqual({ heldBy: first.pid })
})

test('the pid in the file of a dead daemon, recycled by a living process, blocks nobody', async () => {
  const paths = await tempHome()
  await writeFile(join(paths.runDir, 'daemon.pid'), `${process.ppid} 12345\n`)
  await mkdir(join(paths.runDir, 'daemon.alive'))
  await take(paths)
})

test('whatever is at the place of a dead daemon’s mark, it blocks nobody', async () => {
  const paths = await tempHome()
  await writeFile(join(paths.runDir, 'daemon.alive'), '')
  const { lock } = await take(paths)
  await lock.release()
  await mkdir(join(paths.runDir, 'daemon.alive/full'), { recursive: true })
  await take(paths)
})

test('release leaves neither mark nor pid, tolerates a second call, and the home can be taken again', async () => {
  const paths = await tempHome()
  const { lock } = await take(paths)
  await lock.release()
  await lock.release()
  expect(await readdir(paths.runDir)).toEqual(['daemon.lock'])
  await take(paths)
})

test('a mark that somebody removed is made again while the kernel lock is ours', async () => {
  const paths = await tempHome()
  const { lock, lost, log } = await take(paths)
  const mark = join(paths.runDir, 'daemon.alive')
  await rmdir(mark)
  await until('the mark is back', () => stat(mark).then(Boolean, () => false), 15_000)
  expect(lost).toEqual([])
  expect(log.join()).toContain('liveness mark was lost')
  await lock.release()
  expect(await readdir(paths.runDir)).toEqual(['daemon.lock'])
})

test('a deleted home is reported once, and its successor keeps lock, mark and pid file', async () => {
  const paths = await tempHome()
  const { lock, lost } = await take(paths)
  await rm(paths.runDir, { recursive: true })
  await mkdir(paths.runDir, { mode: 0o700 })
  const successor = holder.start(paths)
  await successor.line(/^serving/)
  await until('the loss is noticed', () => lost.length > 0, 15_000)
  await lock.release()
  expect((await readdir(paths.runDir)).sort()).toEqual([
    'daemon.alive',
    'daemon.lock',
    'daemon.pid',
    'daemon.sock',
  ])
  expect(lost).toHaveLength(1)
})
