import { chmod, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MAIN } from '../support/installation.ts'
import { until } from '../support/until.ts'
import { Machine, whyNoMachine } from './machine.ts'
import { QUICK, UNIT, UserService } from './user-service.ts'

const why = await whyNoMachine()
if (why !== undefined) console.log(`Tests under a real systemd are skipped: ${why}`)

describe.skipIf(why !== undefined)('as a user service under a real systemd', () => {
  let machine: Machine
  let service: UserService

  beforeAll(async () => {
    machine = await Machine.boot()
    service = await UserService.prepare(machine)
  })
  afterAll(() => machine?.halt())

  const cli = (...args: string[]) => service.cli(...args)
  const systemctl = (...args: string[]) => service.systemctl(...args)
  const property = (name: string) => service.property(name)

  test('install makes it run and ready; a second time nothing changes', async () => {
    const first = await cli('install')
    expect(first).toMatchObject({ code: 0 })
    expect(first.stdout).toContain('claude mcp add')
    expect(await property('ActiveState')).toBe('active')
    expect(await property('UnitFileState')).toBe('enabled')
    const report = await service.status()
    expect(report.daemon).toMatchObject({ supervisor: 'systemd', pid: await service.mainPid() })
    const again = await cli('install')
    expect(again).toMatchObject({ code: 0 })
    expect(again.stdout).toContain('Installed already')
    expect(await service.mainPid()).toBe(report.daemon?.pid)
  })

  test('the supervisor is told of the state in one line', async () => {
    await until('a status line', async () =>
      /^(healthy|degraded): 0 sessions/.test(await property('StatusText')),
    )
  })

  test('children see nothing of the supervisor', async () => {
    for (const line of (await service.processes()).all) {
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

  test('a hang and a suspended process are ended by the watchdog and replaced', async () => {
    const hang = join(machine.dir, 'hang.cjs')
    await writeFile(hang, "process.on('SIGUSR2', () => { for (;;); })\n")
    await service.setDropIn(`${QUICK}Environment=NODE_OPTIONS=--require=${hang}\n`)
    await systemctl('restart', UNIT)
    for (const signal of ['USR2', 'STOP']) {
      const before = await service.mainPid()
      await systemctl('kill', '--kill-whom=main', `--signal=${signal}`, UNIT)
      await service.replaced(before)
      await service.oneDaemon()
    }
    const { stdout } = await machine.run(['journalctl', '--user-unit', UNIT, '-o', 'cat', '--no-pager'])
    expect(stdout.match(/Watchdog timeout/g)).toHaveLength(2)
    await service.setDropIn(QUICK)
  }, 120_000)

  test('restart, twice: the daemon hears of it before its supervisor acts, and a waiting call goes on', async () => {
    const agent = await service.agent()
    try {
      const ended: unknown[] = []
      const note = (how: unknown) => ended.push(how)
      agent.call('wait_for_job', { wait_seconds: 60 }).then(note, note)
      const waits = async () => (await service.status()).sessions.some((one) => one.activity === 'waiting')
      for (let round = 0; round < 2; round += 1) {
        await until('it waits', waits)
        const before = await service.mainPid()
        expect(await cli('restart')).toMatchObject({ code: 0 })
        expect(await service.mainPid()).not.toBe(before)
      }
      await until('it waits', waits)
      const { stdout } = await machine.run(['journalctl', '--user-unit', UNIT, '-o', 'cat', '--no-pager'])
      const ends = stdout.split('\n').filter((line) => line.includes('"msg":"stopping"'))
      expect(ends.slice(-2)).toEqual([
        expect.stringContaining('"reason":"restart"'),
        expect.stringContaining('"reason":"restart"'),
      ])
      expect(ended).toEqual([])
    } finally {
      await agent.close()
    }
  })

  test('restart drains, start and stop go through the supervisor, stop leaves nothing behind', async () => {
    const before = await service.mainPid()
    expect(await cli('restart')).toMatchObject({ code: 0 })
    expect(await service.mainPid()).not.toBe(before)
    expect(await property('ActiveState')).toBe('active')
    expect(await cli('stop')).toMatchObject({ code: 0 })
    expect(await property('ActiveState')).toBe('inactive')
    expect((await service.processes()).all).toEqual([])
    expect(await cli('stop')).toMatchObject({ code: 0 })
    expect(await cli('start')).toMatchObject({ code: 0 })
    expect(await property('ActiveState')).toBe('active')
    expect(await property('Result')).toBe('success')
  })

  test('a wrong configuration fails once and is not tried again', async () => {
    await cli('stop')
    await writeFile(join(service.home, 'daemon.env'), 'SCRUM4ME_LEASE_SECONDS=soon\n')
    await chmod(join(service.home, 'daemon.env'), 0o600)
    const { code } = await cli('start')
    expect(code).toBe(1)
    expect(await property('ActiveState')).toBe('failed')
    expect(await property('ExecMainStatus')).toBe('78')
    expect(await property('NRestarts')).toBe('0')
    expect((await cli('logs', '-n', '20')).stdout).toContain('SCRUM4ME_LEASE_SECONDS: expected an integer')
    await rm(join(service.home, 'daemon.env'))
    expect(await cli('start')).toMatchObject({ code: 0 })
  })

  test('another daemon in this home: the unit fails once, the other is untouched', async () => {
    await cli('stop')
    const other = machine.run([process.execPath, MAIN, 'run'], service.env)
    await until('the other runs', async () => (await service.status()).daemon !== null)
    const { daemon } = await service.status()
    await systemctl('start', UNIT)
    await until('the unit gave up', async () => (await property('ActiveState')) === 'failed')
    expect(await property('ExecMainStatus')).toBe('75')
    expect(await property('NRestarts')).toBe('0')
    expect((await service.status()).daemon?.pid).toBe(daemon?.pid)
    // `stop` ends a foreground run, too.
    expect(await cli('stop')).toMatchObject({ code: 0 })
    expect((await other).code).toBe(0)
  })

  test('a database that is down at boot: ready, degraded, not restarted', async () => {
    await writeFile(
      join(service.home, 'daemon.env'),
      'DATABASE_URL=postgresql://nobody:hunter22@127.0.0.1:1/none\nSCRUM4ME_TOKEN=token-123456789\n',
      { mode: 0o600 },
    )
    expect(await cli('start')).toMatchObject({ code: 0 })
    expect(await property('ActiveState')).toBe('active')
    const pid = await service.mainPid()
    await until('it says so', async () => (await property('StatusText')).startsWith('degraded: '))
    expect((await cli('status')).code).toBe(1)
    expect(await property('NRestarts')).toBe('0')
    expect(await service.mainPid()).toBe(pid)
    const journal = await machine.run(['journalctl', '--user-unit', UNIT, '--no-pager'])
    expect(journal.stdout).not.toMatch(/hunter22|token-123456789/)
    expect(await property('StatusText')).not.toMatch(/hunter22|token-123456789/)
    await rm(join(service.home, 'daemon.env'))
  })

  test('uninstall undoes all of it and keeps the data, twice; a new install finds it again', async () => {
    const removed = await cli('uninstall')
    expect(removed).toMatchObject({ code: 0 })
    expect((await service.processes()).all).toEqual([])
    expect(await property('LoadState')).toBe('not-found')
    expect(await cli('uninstall')).toMatchObject({ code: 0 })
    expect(await cli('install')).toMatchObject({ code: 0 })
    await until('it is healthy', async () => (await service.status()).state === 'healthy', 30_000)
    expect(await cli('uninstall', '--purge')).toMatchObject({ code: 0 })
    expect((await machine.run(['ls', service.home])).code).not.toBe(0)
  })
})
