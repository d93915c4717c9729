import { execFileSync } from 'node:child_process'
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { findBinaries } from '../../../daemon/db/embedded/binaries.ts'
import {
  EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  embeddedUrl,
} from '../../../daemon/db/embedded/embedded-postgres.ts'
import type { LauncherKind } from '../../../daemon/db/embedded/launcher.ts'
import { silentLogger } from '../../../daemon/logger.ts'
import { type Paths, resolvePaths } from '../../../daemon/paths.ts'
import { until } from '../../support/until.ts'

let home: string
let paths: Paths
const started: EmbeddedPostgres[] = []

/** A home whose cluster was made once, with a row in `kept`: most tests are about what comes after. */
let template: string

beforeAll(async () => {
  template = await mkdtemp(join(tmpdir(), 's4m-template-'))
  paths = resolvePaths({}, { home: template })
  const first = make()
  await first.start()
  await ask('create table kept (n int); insert into kept values (1)')
  await first.stop()
  started.length = 0
})

afterAll(() => rm(template, { recursive: true, force: true }))

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 's4m-home-'))
  paths = resolvePaths({}, { home })
})

/** Makes `paths` a copy of that installation. */
async function installed(): Promise<void> {
  const cluster = join(paths.dataDir, 'cluster')
  await mkdir(paths.dataDir, { recursive: true, mode: 0o700 })
  await cp(join(template, 'data', 'cluster'), cluster, { recursive: true })
  await chmod(cluster, 0o700)
}

afterEach(async () => {
  for (const postgres of started.splice(0)) await postgres.stop()
  await rm(home, { recursive: true, force: true })
})

function make(options: Partial<EmbeddedPostgresOptions> = {}): EmbeddedPostgres {
  const postgres = new EmbeddedPostgres({ paths, logger: silentLogger, sync: false, ...options })
  started.push(postgres)
  return postgres
}

async function ask(sql: string, url = embeddedUrl(paths)): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return (await client.query(sql)).rows
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function postmaster(): Promise<number> {
  return Number.parseInt(await readFile(join(paths.dataDir, 'cluster', 'postmaster.pid'), 'utf8'), 10)
}

/** Gone, or a zombie that nobody has reaped. */
async function isDead(pid: number): Promise<boolean> {
  const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => 'gone) Z')
  return /\) Z/.test(state)
}

async function killHard(): Promise<void> {
  const pid = await postmaster()
  process.kill(pid, 'SIGKILL')
  await until('the server is dead', () => isDead(pid))
}

test('a first start makes a server of version 18 that only this user reaches', async () => {
  const postgres = make()
  await postgres.start()
  const [row] = await ask(
    `select current_setting('server_version_num')::int / 10000 as major, current_setting('fsync') as fsync,
            current_setting('listen_addresses') as addresses, current_setting('TimeZone') as zone,
            current_database() as name, current_setting('server_encoding') as encoding`,
    postgres.url,
  )
  expect(row).toEqual({
    ...{ major: 18, fsync: 'on', addresses: '', zone: 'UTC', name: 'scrum4me', encoding: 'UTF8' },
  })
  for (const directory of [paths.dataDir, paths.pgSocketDir, join(paths.dataDir, 'cluster')]) {
    expect((await stat(directory)).mode & 0o777).toBe(0o700)
  }
  expect(await readdir(paths.pgSocketDir)).toContain('.s.PGSQL.5432')
  if (process.platform === 'linux') {
    const listening = await readFile('/proc/net/tcp', 'utf8')
    expect(listening).not.toMatch(/:1538 /)
  }
})

/** On one home that ran before: the template's. Each test leaves it stopped. */
describe('an installation', () => {
  beforeEach(() => {
    paths = resolvePaths({}, { home: template })
  })

  test('stop leaves nothing running and nothing lost; the next start goes on', async () => {
    const postgres = make()
    await postgres.start()
    const pid = await postmaster()
    await postgres.stop()
    expect(await isDead(pid)).toBe(true)
    expect(await readdir(paths.pgSocketDir)).toEqual([])
    await postgres.stop()
    await expect(postgres.ensureRunning()).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    await postgres.start()
    expect(await ask('select n from kept')).toEqual([{ n: 1 }])
  })

  test('stop with a client connected is still fast', async () => {
    const postgres = make()
    await postgres.start()
    const client = new pg.Client({ connectionString: postgres.url })
    client.on('error', () => undefined)
    await client.connect()
    const began = performance.now()
    await postgres.stop()
    expect(performance.now() - began).toBeLessThan(5_000)
  })

  test('a stop in the middle of a start leaves nothing running', async () => {
    const postgres = make()
    const starting = postgres.start().catch((error: unknown) => error)
    await until('it is being started', () => postmaster().catch(() => undefined))
    await postgres.stop()
    await starting
    const pid = await postmaster().catch(() => undefined)
    expect(pid === undefined || (await isDead(pid))).toBe(true)
    await expect(ask('select 1')).rejects.toThrow(/ENOENT|ECONNREFUSED/)
  })

  test('whoever stops waiting for a start does not stop the start', async () => {
    const postgres = make()
    await postgres.ensureRunning(AbortSignal.timeout(1))
    await postgres.ensureRunning()
    expect(await ask('select n from kept')).toEqual([{ n: 1 }])
  })

  test('the next daemon adopts the server of one that was killed', async () => {
    await make().start()
    const pid = await postmaster()
    const next = make()
    await next.start()
    expect(await postmaster()).toBe(pid)
    await next.stop()
    expect(await isDead(pid)).toBe(true)
  })

  test('a server that died is started again with everything that was committed', async () => {
    const postgres = make()
    await postgres.start()
    await killHard()
    await Promise.all([postgres.ensureRunning(), postgres.ensureRunning()])
    expect(await ask('select n from kept')).toEqual([{ n: 1 }])
  })

  test('a recycled pid in its lock files does not keep it from starting', async () => {
    const first = make()
    await first.start()
    await killHard()
    // As if the kernel had given the dead server's number to somebody of our user: to us.
    for (const file of [join(paths.dataDir, 'cluster', 'postmaster.pid'), socketLock()]) {
      const lines = (await readFile(file, 'utf8')).split('\n')
      await writeFile(file, [String(process.pid), ...lines.slice(1)].join('\n'))
    }
    const next = make()
    await next.start()
    expect(await ask('select 1 as one')).toEqual([{ one: 1 }])
  })

  test('without its socket it is started anew, not left unreachable', async () => {
    const postgres = make()
    await postgres.start()
    const pid = await postmaster()
    await rm(paths.pgSocketDir, { recursive: true })
    const next = make()
    await next.start()
    expect(await isDead(pid)).toBe(true)
    expect(await ask('select 1 as one')).toEqual([{ one: 1 }])
  })

  test('a socket directory that others may enter is narrowed, one of another kind refused', async () => {
    await mkdir(paths.pgSocketDir, { recursive: true })
    await chmod(paths.pgSocketDir, 0o777)
    await make().start()
    expect((await stat(paths.pgSocketDir)).mode & 0o777).toBe(0o700)
    await started[0]?.stop()
    await rm(paths.pgSocketDir, { recursive: true })
    await writeFile(paths.pgSocketDir, '')
    await expect(make().start()).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    await rm(paths.pgSocketDir)
  })

  test('the server knows no secret of ours', async () => {
    process.env.DATABASE_URL = 'postgresql://u:topsecret@h/db'
    try {
      await make().start()
      const environment = await readFile(`/proc/${await postmaster()}/environ`, 'utf8')
      expect(environment).not.toMatch(/topsecret/)
    } finally {
      delete process.env.DATABASE_URL
    }
  })
})

test('a stop without a start, and a start that fails, leave nothing', async () => {
  await make().stop()
  await mkdir(paths.dataDir, { recursive: true, mode: 0o700 })
  const broken = make({ binaries: home })
  await expect(broken.start()).rejects.toThrow()
  await broken.stop()
})

test('an initdb that was killed half way is not taken for a cluster', async () => {
  const leftover = join(paths.dataDir, 'initdb-abcdef')
  await mkdir(leftover, { recursive: true })
  await writeFile(join(leftover, 'PG_VERSION'), '18\n')
  await make().start()
  expect((await readdir(paths.dataDir)).filter((name) => name.startsWith('initdb-'))).toEqual([])
})

test('another major version is refused and left alone', async () => {
  const cluster = join(paths.dataDir, 'cluster')
  await mkdir(cluster, { recursive: true, mode: 0o700 })
  await writeFile(join(cluster, 'PG_VERSION'), '17\n')
  await expect(make().start()).rejects.toMatchObject({
    code: 'DATABASE_UNAVAILABLE',
    message: expect.stringMatching(/PostgreSQL 17/),
    remedy: expect.stringMatching(/db dump/),
  })
  expect(await readdir(cluster)).toEqual(['PG_VERSION'])
})

test('a home whose path is too long for a socket works through the short directory', async () => {
  const long = join(home, 'a'.repeat(120))
  await mkdir(long)
  paths = resolvePaths({}, { home: long })
  await installed()
  expect(paths.pgSocketDir.startsWith(long)).toBe(false)
  try {
    await make().start()
    expect((await stat(join(paths.pgSocketDir, '..'))).mode & 0o777).toBe(0o700)
    expect(await ask('select 1 as one')).toEqual([{ one: 1 }])
    await started.at(-1)?.stop()
  } finally {
    await rm(join(paths.pgSocketDir, '..'), { recursive: true, force: true })
  }
})

test('a path that pg_ctl would let a shell interpret is refused', async () => {
  paths = resolvePaths({}, { home: join(home, '$(touch x)') })
  await expect(make().start()).rejects.toMatchObject({ code: 'VALIDATION_ERROR' })
})

test('a path with spaces, commas and apostrophes works', async () => {
  paths = resolvePaths({}, { home: join(home, `it's, a home`) })
  await installed()
  await make().start()
  expect(await ask('select 1 as one')).toEqual([{ one: 1 }])
})

test('the programs run although the package was removed, and a new version replaces the old', async () => {
  const native = join(home, 'package', 'native')
  await cp(join(findBinaries(), '..'), join(home, 'package'), { recursive: true, verbatimSymlinks: true })
  await make({ binaries: native }).start()
  await writeFile(join(home, 'package', 'package.json'), '{"version":"next"}')
  await started[0]?.stop()
  await make({ binaries: native }).start()
  const trees = (await readdir(paths.dataDir)).filter((name) => name.startsWith('postgres-'))
  expect(trees).toHaveLength(1)
  await rm(join(home, 'package'), { recursive: true })
  expect(
    await ask(`select 'ä' ~ '^\\w$' as ok, now() at time zone 'Asia/Tokyo' is not null as zone`),
  ).toEqual([{ ok: true, zone: true }])
})

describe.runIf(process.getuid?.() === 0 && process.platform === 'linux')('as root', () => {
  test.each<[LauncherKind, LauncherKind[], number]>([
    ['namespace', [], 0],
    ['capability', ['namespace'], 65534],
    ['user', ['namespace', 'capability'], 65534],
  ])('by %s: starts, adopts, stops', async (kind, without, uid) => {
    const postgres = make({ without })
    try {
      await postgres.start()
      expect((await stat(join(paths.dataDir, 'cluster'))).uid).toBe(uid)
      const pid = await postmaster()
      const adopting = make({ without })
      await adopting.start()
      expect(await postmaster()).toBe(pid)
      await adopting.stop()
      expect(await isDead(pid)).toBe(true)
    } finally {
      if (kind === 'user') await removeExposed()
    }
  })

  test('another rung than last time takes the data over', async () => {
    await installed()
    const first = make()
    await first.start()
    await first.stop()
    const second = make({ without: ['namespace'] })
    await second.start()
    expect(await ask('select n from kept')).toEqual([{ n: 1 }])
    expect((await stat(join(paths.dataDir, 'cluster'))).uid).toBe(65534)
    await second.stop()
    // Both work again: the owner's rung is preferred, nothing has to change hands.
    await make().start()
    expect((await stat(join(paths.dataDir, 'cluster'))).uid).toBe(65534)
    expect(await ask('select n from kept')).toEqual([{ n: 1 }])
  })
})

async function removeExposed(): Promise<void> {
  await Promise.all(started.splice(0).map((postgres) => postgres.stop()))
  await rm(join(await readlink(paths.pgSocketDir), '..'), { recursive: true, force: true })
}

function socketLock(): string {
  return join(paths.pgSocketDir, '.s.PGSQL.5432.lock')
}

test('no server of a test is left', () => {
  const listed = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
  expect(listed).not.toContain(home)
})
