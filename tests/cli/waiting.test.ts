import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Installation } from '../support/installation.ts'
import { until } from '../support/until.ts'

// What launchd sets, and all that the daemon knows it by.
const LAUNCHD = { XPC_SERVICE_NAME: 'com.scrum4me.daemon' }

let machine: Installation

beforeEach(async () => {
  machine = await Installation.make()
  await mkdir(machine.home, { mode: 0o700 })
  await configure('SCRUM4ME_LEASE_SECONDS=soon')
})
afterEach(() => machine.remove())

const configure = (line: string) => writeFile(join(machine.home, 'daemon.env'), `${line}\n`, { mode: 0o600 })

/** Starts it as launchd would; answers the exit code, once there is one. */
function launch(): Promise<number | null> {
  const child = machine.spawnDaemon(LAUNCHD)
  return new Promise((resolve) => child.on('exit', (code) => resolve(code)))
}

const waiting = () => until('it waits', async () => (await machine.status()).state === 'degraded')

describe('under launchd a daemon with a wrong configuration', () => {
  test('stays up and says what is wrong, everywhere', async () => {
    void launch()
    await waiting()
    expect(await machine.cli('status')).toMatchObject({ code: 1 })
    expect(await machine.status()).toMatchObject({
      state: 'degraded',
      problems: [
        {
          code: 'VALIDATION_ERROR',
          message: expect.stringContaining('SCRUM4ME_LEASE_SECONDS: expected an integer'),
          remedy: expect.stringContaining('scrum4me-daemon config'),
        },
      ],
      daemon: { pid: machine.daemon?.pid, supervisor: 'launchd', home: machine.home },
      presence: null,
    })
    const doctor = await machine.cli('doctor')
    expect(doctor).toMatchObject({ code: 1, stdout: expect.stringContaining('SCRUM4ME_LEASE_SECONDS') })
    expect(await machine.cli('start')).toMatchObject({ code: 0, stdout: expect.stringContaining('degraded') })
    expect((await machine.cli('jobs')).stderr).toMatch(/^VALIDATION_ERROR: .*SCRUM4ME_LEASE_SECONDS/s)
    expect((await machine.cli('logs')).stdout).toContain('SCRUM4ME_LEASE_SECONDS')
    const agent = await machine.agent()
    expect(await agent.fails('list_products')).toMatch(/^DAEMON_UNREACHABLE: .*SCRUM4ME_LEASE_SECONDS/)
  })

  test('holds its home, tells of another fault when there is one, and ends in order when told', async () => {
    const ended = launch()
    await waiting()
    const second = await machine.cliWith({ env: { SCRUM4ME_LEASE_SECONDS: '300' } }, 'run')
    expect(second).toMatchObject({ code: 75, stderr: expect.stringContaining(`pid ${machine.daemon?.pid}`) })
    await configure('SCRUM4ME_PRESENCE=sometimes')
    await until('the other fault', async () =>
      (await machine.status()).problems[0]?.message.includes('SCRUM4ME_PRESENCE'),
    )
    expect(await machine.cli('stop')).toMatchObject({ code: 0 })
    expect(await ended).toBe(0)
    expect((await machine.cli('status')).code).toBe(3)
  })

  test('ends with 0 once it is mended, and the next one serves the same session', async () => {
    const ended = launch()
    await waiting()
    const agent = await machine.agent()
    expect(await agent.fails('list_products')).toContain('DAEMON_UNREACHABLE')
    await rm(join(machine.home, 'daemon.env'))
    expect(await ended).toBe(0)
    await machine.start(['healthy'], LAUNCHD)
    const products = () => agent.call('list_products').catch(() => undefined)
    expect(await until('the session is served', products)).toMatchObject({ products: [] })
  })

  test('a home that others may read is no reason to loop either', async () => {
    await rm(join(machine.home, 'daemon.env'))
    await chmod(machine.home, 0o755)
    const ended = launch()
    await until('it waits', () => machine.daemonOutput.includes('Waiting for the configuration'))
    expect(machine.daemonOutput).toContain('is open to other users')
    await chmod(machine.home, 0o700)
    expect(await ended).toBe(0)
  })

  test('elsewhere it ends with 78', async () => {
    expect((await machine.cli('run')).code).toBe(78)
  })
})
