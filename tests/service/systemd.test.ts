import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { StatusReport } from '../../daemon/wire/status-report.ts'
import { Agent } from '../support/agent.ts'
import { MAIN, SHIM } from '../support/installation.ts'
import { until } from '../support/until.ts'
import { Machine, type Result, whyNoMachine } from './machine.ts'
import { startUserManager } from './user-manager.ts'

const why = await whyNoMachine()
if (why !== undefined) console.log(`Tests under a real systemd are skipped: ${why}`)
const KILLS = process.env.SCRUM4ME_TEST_LONG === '1' ? 20 : 3
const UNIT = 'scrum4me-daemon.service'
// The unit's own times are for people; a test that waits half a minute for each would be run by nobody.
const QUICK = '[Service]\nRestartSec=100ms\nWatchdogSec=3s\n'

describe.skipIf(why !== undefined)('as a user service under a real systemd', () => {
  let machine: Machine
  let env: NodeJS.ProcessEnv
  let home: string
  let dropIn: string

  beforeAll(async () => {
    machine = await Machine.boot()
    const user = join(machine.dir, 'user')
    home = join(user, '.scrum4me')
    dropIn = join(user, '.config', 'systemd', 'user', `${UNIT}.d`)
    await startUserManager(machine, user)
    env = {
      PATH: process.env.PATH,
      HOME: user,
      XDG_RUNTIME_DIR: '/run/user/0',
      SCRUM4ME_MIN_FREE_DISK_BYTES: '0',
      NO_COLOR: '1',
    }
  })
  afterAll(() => machine?.halt())

  const cli = (...args: string[]): Promise<Result> => machine.run([process.execPath, MAIN, ...args], env)
  const status = async (): Promise<StatusReport> => JSON.parse((await cli('status', '--json')).stdout)
  const systemctl = (...args: string[]) => machine.run(['systemctl', '--user', ...args], env)
  const property = async (name: string) =>
    (await systemctl('show', UNIT, `--property=${name}`, '--value')).stdout.trim()
  const mainPid = async () => Number(await property('MainPID'))

  /** Daemons and servers of this home: one of each at most, whatever happened. */
  async function processes(): Promise<{ daemons: string[]; all: string[] }> {
    const all = (await machine.processes()).filter((line) => line.includes(home) && !line.includes('ps -eo'))
    return { all, daemons: all.filter((line) => line.includes('main.js run')) }
  }

  /** A child shows its parent's command line between fork and exec; a second daemon would stay. */
  const oneDaemon = () => until('one daemon', async () => (await processes()).daemons.length === 1)

  /** Waits until another daemon than `before` is ready. */
  async function replaced(before: number): Promise<number> {
    return until(
      'the next daemon is ready',
      async () => {
        const pid = await mainPid()
        return pid !== before && (await property('ActiveState')) === 'active' && pid
      },
      30_000,
    )
  }

  async function setDropIn(text: string): Promise<void> {
    await mkdir(dropIn, { recursive: true })
    await writeFile(join(dropIn, 'test.conf'), text)
    await systemctl('daemon-reload')
  }

  test('install makes it run and ready; a second time nothing changes', async () => {
    const first = await cli('install')
    expect(first).toMatchObject({ code: 0 })
    expect(first.stdout).toContain('claude mcp add')
    expect(await property('ActiveState')).toBe('active')
    expect(await property('UnitFileState')).toBe('enabled')
    const report = await status()
    expect(report.daemon).toMatchObject({ supervisor: 'systemd', pid: await mainPid() })
    const again = await cli('install')
    expect(again).toMatchObject({ code: 0 })
    expect(again.stdout).toContain('Installed already')
    expect(await mainPid()).toBe(report.daemon?.pid)
  })

  test('the supervisor is told of the state in one line', async () => {
    await until('a status line', async () =>
      /^(healthy|degraded): 0 sessions/.test(await property('StatusText')),
    )
  })

  test('children see nothing of the supervisor', async () => {
    for (const line of (await processes()).all) {
      const [pid] = line.split(' ')
      const { stdout } = await machine.run(['cat', `/proc/${pid}/environ`])
      // The daemon's own block shows what it was started with; whatever it starts must not have it.
      if (!line.includes('main.js run')) expect(stdout).not.toMatch(/NOTIFY_SOCKET|WATCHDOG_/)
    }
  })

  test('logs come from the journal, with priorities', async () => {
    const { code, stdout, stderr } = await cli('logs', '-n', '200')
    expect(code).toBe(0)
    expect(stderr).toContain('journalctl --user-unit')
    expect(stdout).toMatch(/INFO {2}daemon: started/)
    expect(stdout).not.toMatch(/^<\d>/m)
    const warnings = await machine.run([
      'journalctl',
      '--user-unit',
      UNIT,
      '-p',
      'warning',
      '-o',
      'cat',
      '--no-pager',
    ])
    expect(warnings.stdout).not.toContain('"level":"info"')
  })

  test('doctor knows the service', async () => {
    const { checks } = JSON.parse((await cli('doctor', '--json')).stdout)
    expect(checks).toContainEqual(expect.objectContaining({ name: 'service', state: 'ok' }))
  })

  test(
    `SIGKILL ${KILLS} times: always one daemon, the open session goes on`,
    async () => {
      await setDropIn(QUICK)
      const agent = await Agent.connect(
        SHIM,
        { PATH: process.env.PATH ?? '', HOME: join(machine.dir, 'user') },
        {},
      )
      try {
        for (let round = 0; round < KILLS; round += 1) {
          const before = await mainPid()
          await systemctl('kill', '--kill-whom=main', '--signal=KILL', UNIT)
          await replaced(before)
          expect(await agent.call('health')).toMatchObject({ status: expect.any(String) })
          await oneDaemon()
        }
        await until(
          'the database answers again',
          async () => (await status()).database?.state === 'up',
          30_000,
        )
      } finally {
        await agent.close()
      }
    },
    60_000 + KILLS * 15_000,
  )

  test('a hang and a suspended process are ended by the watchdog and replaced', async () => {
    const hang = join(machine.dir, 'hang.cjs')
    await writeFile(hang, "process.on('SIGUSR2', () => { for (;;); })\n")
    await setDropIn(`${QUICK}Environment=NODE_OPTIONS=--require=${hang}\n`)
    await systemctl('restart', UNIT)
    for (const signal of ['USR2', 'STOP']) {
      const before = await mainPid()
      await systemctl('kill', '--kill-whom=main', `--signal=${signal}`, UNIT)
      await replaced(before)
      await oneDaemon()
    }
    const { stdout } = await machine.run(['journalctl', '--user-unit', UNIT, '-o', 'cat', '--no-pager'])
    expect(stdout.match(/Watchdog timeout/g)).toHaveLength(2)
    await setDropIn(QUICK)
  }, 120_000)

  test('restart drains, start and stop go through the supervisor, stop leaves nothing behind', async () => {
    const before = await mainPid()
    expect(await cli('restart')).toMatchObject({ code: 0 })
    expect(await mainPid()).not.toBe(before)
    expect(await property('ActiveState')).toBe('active')
    expect(await cli('stop')).toMatchObject({ code: 0 })
    expect(await property('ActiveState')).toBe('inactive')
    expect((await processes()).all).toEqual([])
    expect(await cli('stop')).toMatchObject({ code: 0 })
    expect(await cli('start')).toMatchObject({ code: 0 })
    expect(await property('ActiveState')).toBe('active')
    expect(await property('Result')).toBe('success')
  })

  test('a wrong configuration fails once and is not tried again', async () => {
    await cli('stop')
    await writeFile(join(home, 'daemon.env'), 'SCRUM4ME_LEASE_SECONDS=soon\n')
    await chmod(join(home, 'daemon.env'), 0o600)
    const { code } = await cli('start')
    expect(code).toBe(1)
    expect(await property('ActiveState')).toBe('failed')
    expect(await property('ExecMainStatus')).toBe('78')
    expect(await property('NRestarts')).toBe('0')
    expect((await cli('logs', '-n', '20')).stdout).toContain('SCRUM4ME_LEASE_SECONDS: expected an integer')
    await rm(join(home, 'daemon.env'))
    expect(await cli('start')).toMatchObject({ code: 0 })
  })

  test('another daemon in this home: the unit fails once, the other is untouched', async () => {
    await cli('stop')
    const other = machine.run([process.execPath, MAIN, 'run'], env)
    await until('the other runs', async () => (await status()).daemon !== null)
    const { daemon } = await status()
    await systemctl('start', UNIT)
    await until('the unit gave up', async () => (await property('ActiveState')) === 'failed')
    expect(await property('ExecMainStatus')).toBe('75')
    expect(await property('NRestarts')).toBe('0')
    expect((await status()).daemon?.pid).toBe(daemon?.pid)
    // `stop` ends a foreground run, too.
    expect(await cli('stop')).toMatchObject({ code: 0 })
    expect((await other).code).toBe(0)
  })

  test('a database that is down at boot: ready, degraded, not restarted', async () => {
    await writeFile(
      join(home, 'daemon.env'),
      'DATABASE_URL=postgresql://nobody:hunter22@127.0.0.1:1/none\nSCRUM4ME_TOKEN=token-123456789\n',
      { mode: 0o600 },
    )
    expect(await cli('start')).toMatchObject({ code: 0 })
    expect(await property('ActiveState')).toBe('active')
    const pid = await mainPid()
    await until('it says so', async () => (await property('StatusText')).startsWith('degraded: '))
    expect((await cli('status')).code).toBe(1)
    expect(await property('NRestarts')).toBe('0')
    expect(await mainPid()).toBe(pid)
    const journal = await machine.run(['journalctl', '--user-unit', UNIT, '--no-pager'])
    expect(journal.stdout).not.toMatch(/hunter22|token-123456789/)
    expect(await property('StatusText')).not.toMatch(/hunter22|token-123456789/)
    await rm(join(home, 'daemon.env'))
  })

  test('uninstall undoes all of it and keeps the data, twice; a new install finds it again', async () => {
    const removed = await cli('uninstall')
    expect(removed).toMatchObject({ code: 0 })
    expect((await processes()).all).toEqual([])
    expect(await property('LoadState')).toBe('not-found')
    expect(await cli('uninstall')).toMatchObject({ code: 0 })
    expect(await cli('install')).toMatchObject({ code: 0 })
    await until('it is healthy', async () => (await status()).state === 'healthy', 30_000)
    expect(await cli('uninstall', '--purge')).toMatchObject({ code: 0 })
    expect((await machine.run(['ls', home])).code).not.toBe(0)
  })
})
