import { execFile as execFileCallback } from 'node:child_process'
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { nextEnvironment } from '../../daemon/cli/next-config.ts'
import { systemService } from '../../daemon/cli/service/find-service.ts'
import { resolvePaths } from '../../daemon/paths.ts'
import { Installation } from '../support/installation.ts'
import { until } from '../support/until.ts'

const execFile = promisify(execFileCallback)

let machine: Installation

// One home for all: each test finds it stopped and leaves it stopped, the database is made once.
beforeAll(async () => {
  machine = await Installation.make()
})
afterEach(async () => {
  machine.daemon?.kill('SIGCONT')
  await machine.cli('stop')
})
afterAll(() => machine.remove())

/** LISTEN may still be on its way; these tests do not need it. */
const start = () => machine.start(['healthy', 'degraded'])

/** Processes whose command line or directory is of this installation: daemons and their PostgreSQL. */
async function processesHere(): Promise<string[]> {
  const { stdout } = await execFile('ps', ['-axww', '-o', 'pid=', '-o', 'command='], { maxBuffer: 1 << 24 })
  const lines = stdout.split('\n').map((line) => line.trim())
  return lines.filter((line) => line.includes(machine.home) && !line.startsWith(`${process.pid} `))
}

async function pid(): Promise<number> {
  const { daemon } = await machine.status()
  if (daemon === null) throw new Error('no daemon')
  return daemon.pid
}

describe('start', () => {
  test('detaches, is idempotent, and stop ends it with its database', async () => {
    const first = await machine.cli('start')
    expect(first.code).toBe(0)
    const running = await pid()
    const again = await machine.cli('start')
    expect(again).toMatchObject({ code: 0, stdout: `Already running, pid ${running}.\n` })
    expect(await machine.cli('stop')).toMatchObject({ code: 0, stdout: `Stopped (pid ${running}).\n` })
    expect(await processesHere()).toEqual([])
    expect((await machine.cli('status')).code).toBe(3)
  })

  test('six at once make one daemon, and all succeed', async () => {
    const results = await Promise.all(Array.from({ length: 6 }, () => machine.cli('start')))
    for (const result of results) expect(result).toMatchObject({ code: 0 })
    const running = await pid()
    // The losers end by themselves, a moment after the winner answers.
    await until('one daemon', async () => {
      const daemons = (await processesHere()).filter((line) => line.includes('main.js run'))
      return daemons.length === 1 && daemons[0]?.startsWith(`${running} `)
    })
  })

  test('a wrong configuration is shown, and exit 1', async () => {
    const env = { SCRUM4ME_LEASE_SECONDS: 'soon' }
    const { code, stderr } = await machine.cliWith({ env }, 'start')
    expect(code).toBe(1)
    expect(stderr).toContain('SCRUM4ME_LEASE_SECONDS: expected an integer')
    expect(await processesHere()).toEqual([])
  })

  test('a token that the embedded database does not know is to be removed, not made in a web app', async () => {
    await machine.start(['degraded'], { SCRUM4ME_TOKEN: 'of-another-database' })
    const refused = await until('the token is refused', async () =>
      (await machine.status()).problems.find(({ code }) => code === 'UNAUTHORIZED'),
    )
    expect(refused.remedy).toContain('remove SCRUM4ME_TOKEN')
    expect(refused.remedy).not.toContain('login')
  })

  test('after kill -9 the next start adopts the database', async () => {
    await start()
    await machine.end('SIGKILL')
    expect((await machine.cli('status')).code).toBe(3)
    expect((await machine.cli('start')).code).toBe(0)
    expect(await machine.json('jobs')).toEqual({ jobs: [] })
    const file = join(machine.dir, 'dump.sql')
    const dump = () => machine.cliWith({ cwd: machine.dir }, 'db', 'dump', 'dump.sql')
    expect(await dump()).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining(file) })
    expect(await dump()).toMatchObject({ code: 1, stderr: expect.stringMatching(/^CONFLICT: .*exists/) })
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await readFile(file, 'utf8')).toContain('claude_workers')
    const printed = await machine.cli('db', 'dump', '-')
    expect(printed).toMatchObject({ code: 0, stderr: '' })
    // All but the time in its first line.
    const body = (text: string) => text.slice(text.indexOf('\n'))
    expect(body(printed.stdout)).toBe(body(await readFile(file, 'utf8')))
    expect((await readdir(join(machine.home, 'state'))).filter((name) => name.startsWith('dump-'))).toEqual(
      [],
    )
    expect((await machine.cli('db', 'dump', '/nowhere/at/all.sql')).stderr).toMatch(/^VALIDATION_ERROR/)
  })
})

test('PG* variables of the shell neither reach the embedded server nor mislead a client of its URL', async () => {
  const env = {
    PGPORT: '5433',
    PGSSLMODE: 'require',
    PGOPTIONS: '-c statement_timeout=1',
    PGHOST: '/nowhere',
  }
  await machine.start(['healthy'], env)
  expect((await machine.status()).problems).toEqual([])
  const url = (await machine.cli('db', 'url', '--show-password')).stdout.trim()
  // Exported by a person, it names the daemon's own database.
  expect(await machine.cliWith({ env: { DATABASE_URL: url } }, 'resume')).toMatchObject({
    code: 0,
    stderr: '',
  })
  const pgUrl = import.meta.resolve('pg')
  const script = `import pg from ${JSON.stringify(pgUrl)}
    const client = new pg.Client({ connectionString: ${JSON.stringify(url)} })
    await client.connect()
    await client.end()`
  const connect = execFile(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...process.env, PGPORT: '5433', PGSSLMODE: 'require', PGHOST: '/nowhere' },
  })
  expect((await connect).stderr).toBe('')
})

describe('stop', () => {
  test('names a DATABASE_URL that is not the daemon’s; restart says that the next one uses it', async () => {
    await start()
    const env = { DATABASE_URL: 'postgresql://x:hunter22@nowhere.invalid/y' }
    const restarted = await machine.cliWith({ env }, 'restart')
    expect(restarted).toMatchObject({
      ...{ code: 0, stderr: expect.stringContaining('the next daemon uses it instead of embedded') },
    })
    expect(restarted.stderr).not.toContain('hunter22')
    const stopped = await machine.cli('stop')
    expect(stopped).toMatchObject({ code: 0, stderr: '' })
    await start()
    expect(await machine.cliWith({ env }, 'stop')).toMatchObject({
      ...{ code: 0, stderr: expect.stringContaining('is ignored; the daemon uses embedded') },
    })
  })

  test('ends a foreground run in order; until then a second run names it, exits 75 and changes nothing', async () => {
    await start()
    const running = await pid()
    const second = await machine.cli('run')
    expect(second.code).toBe(75)
    expect(second.stderr).toContain(`pid ${running}`)
    expect(await pid()).toBe(running)
    const ended = machine.end('SIGCONT')
    expect((await machine.cli('stop')).code).toBe(0)
    expect(await ended).toBe(0)
    expect(await processesHere()).toEqual([])
    // A pid file that a dead daemon left, its number since taken by another process.
    await writeFile(join(machine.home, 'run', 'daemon.pid'), `${process.pid} 12345\n`)
    expect(await machine.cli('stop')).toMatchObject({ code: 0, stdout: 'No daemon was running.\n' })
  })

  test('ends the database that a killed daemon has left, too', async () => {
    await start()
    await until('the database', async () => (await machine.status()).database?.state === 'up')
    await machine.end('SIGKILL')
    expect(await machine.cli('stop')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        /^No daemon was running\.\nThe embedded database .* is stopped, too\.\n$/,
      ),
    })
    expect(await processesHere()).toEqual([])
    expect(await machine.cli('stop')).toMatchObject({ code: 0, stdout: 'No daemon was running.\n' })
  })
})

describe('status', () => {
  test('a suspended daemon does not answer, exit 4; resumed it is as before, and suspended it can be stopped', async () => {
    await start()
    const running = await pid()
    process.kill(running, 'SIGSTOP')
    const { code, stdout } = await machine.cli('status', '--json')
    const text = await machine.cli('status')
    // As macOS does when too many connections wait to be accepted: it does not even let this one wait.
    const socket = join(machine.home, 'run', 'daemon.sock')
    await rename(socket, `${socket}.away`)
    const unreachable = await machine.cli('status')
    await rename(`${socket}.away`, socket)
    process.kill(running, 'SIGCONT')
    expect(unreachable.code).toBe(4)
    expect(unreachable.stdout).toContain(`kill -CONT ${running}`)
    expect(code).toBe(4)
    expect(JSON.parse(stdout)).toMatchObject({
      state: 'not_answering',
      problems: [{ code: 'NOT_ANSWERING', message: expect.stringContaining('suspended') }],
    })
    expect(text.code).toBe(4)
    expect(text.stdout).toContain('not answering')
    expect(text.stdout).toContain(`kill -CONT ${running}`)
    expect(await pid()).toBe(running)
    process.kill(running, 'SIGSTOP')
    expect((await machine.cli('stop')).code).toBe(0)
    expect(await processesHere()).toEqual([])
  })

  test('a daemon whose event loop hangs is recognised without waiting for it', async () => {
    const hang = join(machine.dir, 'hang.cjs')
    await writeFile(hang, "process.on('SIGUSR2', () => { for (;;); })\n")
    await machine.start(['healthy', 'degraded'], { NODE_OPTIONS: `--require=${hang}` })
    machine.daemon?.kill('SIGUSR2')
    await until('its mark', () => stat(join(machine.home, 'run', 'stalled')).catch(() => undefined))
    const { code, stdout } = await machine.cli('status', '--json')
    expect(code).toBe(4)
    expect(JSON.parse(stdout).problems[0].message).toContain('event loop')
    await machine.end('SIGKILL')
  })

  test('--watch goes on until it is interrupted', async () => {
    await start()
    const { spawn } = await import('node:child_process')
    const { MAIN } = await import('../support/installation.ts')
    const child = spawn(process.execPath, [MAIN, 'status', '--watch', '--json'], { env: machine.env })
    let text = ''
    child.stdout.on('data', (data) => {
      text += data
    })
    const gone = new Promise((resolve) => child.on('close', resolve))
    await until('two reports', () => text.split('\n').length > 2)
    child.kill('SIGINT')
    await gone
    for (const line of text.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('state')
  })
})

test('restart leaves the daemon alone when the next one could not start, and says why', async () => {
  await machine.cli('start')
  const running = await pid()
  const file = join(machine.home, 'daemon.env')
  try {
    await writeFile(file, 'SCRUM4ME_LOG_LEVEL=info\n', { mode: 0o644 })
    const open = await machine.cli('restart')
    expect(open).toMatchObject({ code: 1, stdout: '' })
    expect(open.stderr).toContain('the daemon that runs was left alone')
    expect(open.stderr).toContain(`chmod 600 ${file}`)
    const config = await machine.cli('config')
    expect(config.code).toBe(1)
    expect(config.stdout).toMatch(/SCRUM4ME_HOME .* environment\n/)
    expect(config.stderr).toContain('the next one would not start')
    expect(config.stderr).toContain(`chmod 600 ${file}`)
    await rm(file)
    await writeFile(file, 'SCRUM4ME_HEARTBEAT_SECONDS=abc\n', { mode: 0o600 })
    const doctor = await machine.cli('doctor')
    expect(doctor.code).toBe(1)
    expect(doctor.stdout).toMatch(/✗ next start .*SCRUM4ME_HEARTBEAT_SECONDS: expected an integer/)
    await rm(file)
    const env = { SCRUM4ME_LEASE_SECONDS: 'soon' }
    const wrong = await machine.cliWith({ env }, 'restart')
    expect(wrong.code).toBe(1)
    expect(wrong.stderr).toContain('SCRUM4ME_LEASE_SECONDS: expected an integer')
    expect(await pid()).toBe(running)
    // A service would not see this shell's settings.
    const bare = nextEnvironment(
      { env, paths: resolvePaths({}) },
      systemService({ env, paths: resolvePaths({}) }, 'x'),
    )
    expect(bare).toEqual({})
  } finally {
    await rm(file, { force: true })
  }
})

test('restart: a waiting session goes on waiting, a second daemon serves it', async () => {
  await machine.cli('start')
  const before = await pid()
  const agent = await machine.agent()
  const waiting = agent.call('wait_for_job', { wait_seconds: 8 })
  await until('it waits', async () =>
    (await machine.status()).sessions.some((one) => one.activity === 'waiting'),
  )
  expect((await machine.cli('restart')).code).toBe(0)
  expect(await pid()).not.toBe(before)
  await until('it waits again', async () =>
    (await machine.status()).sessions.some((one) => one.activity === 'waiting'),
  )
  expect(await waiting).toMatchObject({ status: 'timeout' })
  expect(await agent.call('health')).toMatchObject({ database: 'ok' })
  await agent.close()
})
