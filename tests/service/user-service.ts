import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { StatusReport } from '../../daemon/wire/status-report.ts'
import { Agent } from '../support/agent.ts'
import { MAIN, SHIM } from '../support/installation.ts'
import { until } from '../support/until.ts'
import type { Machine, Result } from './machine.ts'
import { startUserManager } from './user-manager.ts'

export const UNIT = 'scrum4me-daemon.service'
// The unit's own times are for people; a test that waits half a minute for each would be run by nobody.
export const QUICK = '[Service]\nRestartSec=10ms\nWatchdogSec=3s\n'

/** The daemon as a service of root's user manager inside a machine, driven by the real CLI. */
export class UserService {
  readonly user: string
  readonly home: string
  readonly env: Record<string, string>
  readonly #machine: Machine

  private constructor(machine: Machine) {
    this.#machine = machine
    this.user = join(machine.dir, 'user')
    this.home = join(this.user, '.scrum4me')
    this.env = {
      PATH: process.env.PATH ?? '/usr/bin:/bin',
      HOME: this.user,
      XDG_RUNTIME_DIR: '/run/user/0',
      SCRUM4ME_MIN_FREE_DISK_BYTES: '0',
      NO_COLOR: '1',
    }
  }

  /** With a user manager that runs; nothing of ours is installed yet. */
  static async prepare(machine: Machine): Promise<UserService> {
    const service = new UserService(machine)
    await startUserManager(machine, service.user)
    return service
  }

  cli(...args: string[]): Promise<Result> {
    return this.#machine.run([process.execPath, MAIN, ...args], this.env)
  }

  async status(): Promise<StatusReport> {
    return JSON.parse((await this.cli('status', '--json')).stdout)
  }

  systemctl(...args: string[]): Promise<Result> {
    return this.#machine.run(['systemctl', '--user', ...args], this.env)
  }

  async property(name: string, unit = UNIT): Promise<string> {
    return (await this.systemctl('show', unit, `--property=${name}`, '--value')).stdout.trim()
  }

  async mainPid(): Promise<number> {
    return Number(await this.property('MainPID'))
  }

  /** An agent session over a real shim. */
  agent(): Promise<Agent> {
    return Agent.connect(SHIM, { PATH: this.env.PATH ?? '', HOME: this.user }, {})
  }

  /** Daemons and servers of this home: one of each at most, whatever happened. */
  async processes(): Promise<{ daemons: string[]; all: string[] }> {
    const all = (await this.#machine.processes()).filter(
      (line) => line.includes(this.home) && !line.includes('ps -eo'),
    )
    return { all, daemons: all.filter((line) => line.includes('main.js run')) }
  }

  /** A child shows its parent's command line between fork and exec; a second daemon would stay. */
  oneDaemon(): Promise<unknown> {
    return until('one daemon', async () => (await this.processes()).daemons.length === 1)
  }

  /** Waits until another daemon than `before` is ready; answers its pid. */
  replaced(before: number): Promise<number> {
    const look = async () => {
      const pid = await this.mainPid()
      return pid !== before && (await this.property('ActiveState')) === 'active' && pid
    }
    return until('the next daemon is ready', look, 30_000)
  }

  /**
   * Waits until the database answers. The recovery of a killed one flushes each of a thousand files, and each flush
   * waits for whatever else this disk has to write.
   */
  async untilDatabase(): Promise<void> {
    try {
      await until('the database answers', async () => (await this.status()).database?.state === 'up', 120_000)
    } catch (error) {
      const log = await readFile(join(this.home, 'logs', 'postgres.log'), 'utf8')
      const { problems } = await this.status()
      throw new Error(`${String(error)}\n${JSON.stringify(problems)}\n${log.slice(-4_000)}`)
    }
  }

  /** Settings on top of the unit. */
  async setDropIn(text: string): Promise<void> {
    const directory = join(this.user, '.config', 'systemd', 'user', `${UNIT}.d`)
    await mkdir(directory, { recursive: true })
    await writeFile(join(directory, 'test.conf'), text)
    await this.systemctl('daemon-reload')
  }
}
