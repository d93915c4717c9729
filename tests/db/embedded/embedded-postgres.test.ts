import { cp, mkdir, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { findBinaries } from '../../../daemon/db/embedded/binaries.ts'
import { resolvePaths } from '../../../daemon/paths.ts'
import { until } from '../../support/until.ts'
import { TestHome } from './test-home.ts'

let home: TestHome
/** An installation that ran before, to copy its data from: faster than making it anew. */
let ran: TestHome

beforeAll(async () => {
  ran = await TestHome.installed()
})

afterAll(() => ran.remove())

beforeEach(async () => {
  home = await TestHome.make()
})

afterEach(() => home.remove())

/** Inodes of the TCP sockets that a process has open. */
async function tcpSocketsOf(pid: number): Promise<string[]> {
  const files = await readdir(`/proc/${pid}/fd`)
  const links = await Promise.all(files.map((file) => readlink(`/proc/${pid}/fd/${file}`).catch(() => '')))
  const tcp = await readFile('/proc/net/tcp', 'utf8')
  const tcp6 = await readFile('/proc/net/tcp6', 'utf8').catch(() => '')
  const inodes = new Set(`${tcp}\n${tcp6}`.split('\n').map((line) => line.trim().split(/\s+/)[9]))
  return links
    .flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? [])
    .filter((inode) => inodes.has(inode))
}

test('a first start makes a server of version 18 that only this user reaches', async () => {
  const postgres = home.server()
  await postgres.start()
  const [row] = await home.ask(
    `select current_setting('server_version_num')::int / 10000 as major, current_setting('fsync') as fsync,
            current_setting('listen_addresses') as addresses, current_setting('TimeZone') as zone,
            current_database() as name, current_setting('server_encoding') as encoding`,
  )
  expect(row).toEqual({
    ...{ major: 18, fsync: 'on', addresses: '', zone: 'UTC', name: 'scrum4me', encoding: 'UTF8' },
  })
  for (const directory of [home.paths.dataDir, home.paths.pgSocketDir, home.cluster]) {
    expect((await stat(directory)).mode & 0o777).toBe(0o700)
  }
  expect(await readdir(home.paths.pgSocketDir)).toContain('.s.PGSQL.5432')
  if (process.platform === 'linux') expect(await tcpSocketsOf(await home.postmaster())).toEqual([])
})

test('a stop without a start, and a start that fails, leave nothing', async () => {
  await home.server().stop()
  await mkdir(home.paths.dataDir, { recursive: true, mode: 0o700 })
  const broken = home.server({ binaries: home.directory })
  await expect(broken.start()).rejects.toThrow()
  await broken.stop()
})

test('an initdb that was killed half way is not taken for a cluster', async () => {
  const leftover = join(home.paths.dataDir, 'initdb-abcdef')
  await mkdir(leftover, { recursive: true })
  await writeFile(join(leftover, 'PG_VERSION'), '18\n')
  await home.server().start()
  expect((await readdir(home.paths.dataDir)).filter((name) => name.startsWith('initdb-'))).toEqual([])
})

test('starts that are killed during initdb, one after another, do not pile up on the disk', async () => {
  const leftovers = ['initdb-aaaaaa', 'initdb-bbbbbb'].map((name) => join(home.paths.dataDir, name))
  for (const leftover of leftovers) await mkdir(leftover, { recursive: true })
  const starting = home.server().start()
  await until('initdb is at work', async () =>
    (await readdir(home.paths.dataDir)).find(
      (name) => name.startsWith('initdb-') && !leftovers.includes(join(home.paths.dataDir, name)),
    ),
  )
  expect((await readdir(home.paths.dataDir)).filter((name) => name.startsWith('initdb-'))).toHaveLength(1)
  await starting
})

test('another major version is refused and left alone', async () => {
  const cluster = home.cluster
  await mkdir(cluster, { recursive: true, mode: 0o700 })
  await writeFile(join(cluster, 'PG_VERSION'), '17\n')
  await expect(home.server().start()).rejects.toMatchObject({
    code: 'DATABASE_UNAVAILABLE',
    message: expect.stringMatching(/PostgreSQL 17/),
    remedy: expect.stringMatching(/db dump/),
  })
  expect(await readdir(cluster)).toEqual(['PG_VERSION'])
})

test('a home whose path is too long for a socket works through the short directory', async () => {
  const long = join(home.directory, 'a'.repeat(120))
  await mkdir(long)
  home.paths = resolvePaths({}, { home: long })
  await home.copyFrom(ran)
  expect(home.paths.pgSocketDir.startsWith(long)).toBe(false)
  try {
    await home.server().start()
    expect((await stat(join(home.paths.pgSocketDir, '..'))).mode & 0o777).toBe(0o700)
    expect(await home.ask('select 1 as one')).toEqual([{ one: 1 }])
    await home.stop()
  } finally {
    await rm(join(home.paths.pgSocketDir, '..'), { recursive: true, force: true })
  }
})

test('a path that pg_ctl would let a shell interpret is refused', async () => {
  home.paths = resolvePaths({}, { home: join(home.directory, '$(touch x)') })
  await expect(home.server().start()).rejects.toMatchObject({ code: 'VALIDATION_ERROR' })
})

test('a path with spaces, commas and apostrophes works', async () => {
  home.paths = resolvePaths({}, { home: join(home.directory, `it's, a home`) })
  await home.copyFrom(ran)
  await home.server().start()
  expect(await home.ask('select 1 as one')).toEqual([{ one: 1 }])
})

test('the programs run although the package was removed, and a new version replaces the old', async () => {
  const native = join(home.directory, 'package', 'native')
  await cp(join(findBinaries(), '..'), join(home.directory, 'package'), {
    recursive: true,
    verbatimSymlinks: true,
  })
  await home.server({ binaries: native }).start()
  await writeFile(join(home.directory, 'package', 'package.json'), '{"version":"next"}')
  await home.stop()
  await home.server({ binaries: native }).start()
  const trees = (await readdir(home.paths.dataDir)).filter((name) => name.startsWith('postgres-'))
  expect(trees).toHaveLength(1)
  await rm(join(home.directory, 'package'), { recursive: true })
  expect(
    await home.ask(`select 'ä' ~ '^\\w$' as ok, now() at time zone 'Asia/Tokyo' is not null as zone`),
  ).toEqual([{ ok: true, zone: true }])
})
