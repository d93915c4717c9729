import { spawn, spawnSync } from 'node:child_process'
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from 'vitest'
import { removeStaleLocks } from '../../../daemon/db/embedded/lock-files.ts'
import { until } from '../../support/until.ts'
import { isDead, TestHome } from './test-home.ts'

/** One installation through its life; each test leaves it stopped. */
let home: TestHome

beforeAll(async () => {
  home = await TestHome.installed()
})

afterEach(() => home.stop())

afterAll(() => home.remove())

function socketLock(): string {
  return join(home.paths.pgSocketDir, '.s.PGSQL.5432.lock')
}

test('stop leaves nothing running and nothing lost; the next start goes on', async () => {
  const postgres = home.server()
  await postgres.start()
  const pid = await home.postmaster()
  await postgres.stop()
  expect(await isDead(pid)).toBe(true)
  expect(await readdir(home.paths.pgSocketDir)).toEqual([])
  await postgres.stop()
  await expect(postgres.ensureRunning()).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
  await postgres.start()
  expect(await home.ask('select n from kept')).toEqual([{ n: 1 }])
})

test('stop with a client connected is still fast', async () => {
  const postgres = home.server()
  await postgres.start()
  const client = new pg.Client({ connectionString: postgres.url })
  client.on('error', () => undefined)
  await client.connect()
  const began = performance.now()
  await postgres.stop()
  expect(performance.now() - began).toBeLessThan(5_000)
})

test('a stop in the middle of a start leaves nothing running', async () => {
  const postgres = home.server()
  const starting = postgres.start().catch((error: unknown) => error)
  await until('it is being started', () => home.postmaster().catch(() => undefined))
  await postgres.stop()
  await starting
  const pid = await home.postmaster().catch(() => undefined)
  expect(pid === undefined || (await isDead(pid))).toBe(true)
  await expect(home.ask('select 1')).rejects.toThrow(/ENOENT|ECONNREFUSED/)
})

test('whoever stops waiting for a start does not stop the start', async () => {
  const postgres = home.server()
  await postgres.ensureRunning(AbortSignal.timeout(1))
  await postgres.ensureRunning()
  expect(await home.ask('select n from kept')).toEqual([{ n: 1 }])
})

test('the next daemon adopts the server of one that was killed', async () => {
  await home.server().start()
  const pid = await home.postmaster()
  const next = home.server()
  await next.start()
  expect(await home.postmaster()).toBe(pid)
  await next.stop()
  expect(await isDead(pid)).toBe(true)
})

test('a server that died is started again with everything that was committed', async () => {
  const postgres = home.server()
  await postgres.start()
  await home.kill()
  await Promise.all([postgres.ensureRunning(), postgres.ensureRunning()])
  expect(await home.ask('select n from kept')).toEqual([{ n: 1 }])
})

test('a recycled pid in its lock files does not keep it from starting', async () => {
  const first = home.server()
  await first.start()
  await home.kill()
  // As if the kernel had given the dead server's number to somebody of our user: to us.
  for (const file of [join(home.paths.dataDir, 'cluster', 'postmaster.pid'), socketLock()]) {
    const lines = (await readFile(file, 'utf8')).split('\n')
    await writeFile(file, [String(process.pid), ...lines.slice(1)].join('\n'))
  }
  const next = home.server()
  await next.start()
  expect(await home.ask('select 1 as one')).toEqual([{ one: 1 }])
})

test('lock files of a server that was killed before it wrote into them do not keep it from starting', async () => {
  const pidFile = join(home.cluster, 'postmaster.pid')
  for (const file of [pidFile, socketLock()]) {
    for (const left of ['', 'nonsense\n']) {
      await home.server().start()
      await home.kill()
      await writeFile(file, left)
      await home.server().start()
      expect(await home.ask('select 1 as one')).toEqual([{ one: 1 }])
      await home.stop()
    }
  }
})

// macOS asks lsof, which Linux may have, too.
test.each(
  process.platform === 'linux' && spawnSync('lsof', ['-v']).status === 0
    ? ['linux', 'darwin']
    : [process.platform],
)('a lock file that a live server has not written yet is left (%s)', async (name) => {
  const platform = name === 'linux' ? 'linux' : 'darwin'
  await home.server().start()
  const file = join(home.directory, 'lock')
  const isRemoved = () => removeStaleLocks([file], home.cluster, platform)
  await writeFile(file, '')
  expect(await isRemoved()).toBe(false)
  await writeFile(file, `${await home.postmaster()}\n`)
  expect(await isRemoved()).toBe(false)
  // Another process of this user has the pid by now, be it called postgres.
  const other = spawn('sh', ['-c', 'read line', 'postgres', '-D', home.cluster])
  onTestFinished(() => void other.kill('SIGKILL'))
  await writeFile(file, `${other.pid}\n`)
  expect(await isRemoved()).toBe(true)
  await writeFile(file, '')
  await home.kill()
  await until('its processes are gone', isRemoved)
  await expect(stat(file)).rejects.toThrow('ENOENT')
})

test('a start that fails says why in the words of the server that failed, not of an older one', async () => {
  await home.server().start()
  await home.stop()
  await writeFile(join(home.cluster, 'postgresql.auto.conf'), "shared_preload_libraries = 'missing'\n")
  try {
    await expect(home.server().start()).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      message: expect.stringMatching(/did not start: FATAL: .*missing/),
    })
  } finally {
    await writeFile(join(home.cluster, 'postgresql.auto.conf'), '')
  }
})

test('without its socket it is started anew, not left unreachable', async () => {
  const postgres = home.server()
  await postgres.start()
  const pid = await home.postmaster()
  await rm(home.paths.pgSocketDir, { recursive: true })
  const next = home.server()
  await next.start()
  expect(await isDead(pid)).toBe(true)
  expect(await home.ask('select 1 as one')).toEqual([{ one: 1 }])
})

test('a socket directory that others may enter is narrowed, one of another kind refused', async () => {
  await mkdir(home.paths.pgSocketDir, { recursive: true })
  await chmod(home.paths.pgSocketDir, 0o777)
  await home.server().start()
  expect((await stat(home.paths.pgSocketDir)).mode & 0o777).toBe(0o700)
  await home.stop()
  await rm(home.paths.pgSocketDir, { recursive: true })
  await writeFile(home.paths.pgSocketDir, '')
  await expect(home.server().start()).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
  await rm(home.paths.pgSocketDir)
})

test.runIf(process.platform === 'linux')('the server knows no secret of ours', async () => {
  process.env.DATABASE_URL = 'postgresql://u:topsecret@h/db'
  try {
    await home.server().start()
    const environment = await readFile(`/proc/${await home.postmaster()}/environ`, 'utf8')
    expect(environment).not.toMatch(/topsecret/)
  } finally {
    delete process.env.DATABASE_URL
  }
})
