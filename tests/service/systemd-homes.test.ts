import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { unitName } from '../../daemon/cli/service/service-name.ts'
import { Agent } from '../support/agent.ts'
import { SHIM } from '../support/installation.ts'
import { until } from '../support/until.ts'
import { Machine, whyNoMachine } from './machine.ts'
import { UserService } from './user-service.ts'

const why = await whyNoMachine()
if (why !== undefined) console.log(`Several homes under a real systemd are skipped: ${why}`)

describe.skipIf(why !== undefined)('several homes of one user', () => {
  let machine: Machine
  let service: UserService

  beforeAll(async () => {
    machine = await Machine.boot()
    service = await UserService.prepare(machine)
    await mkdir(join(service.user, 'other'))
  })
  afterEach(async () => {
    for (const home of homes()) await service.cli('uninstall', '--purge', '--home', home)
  })
  afterAll(() => machine?.halt())

  const homes = () => [join(service.user, 'work'), join(service.user, 'other', 'work')] as const
  const state = (unit: string) => service.property('ActiveState', unit)

  test('a unit is named after its home; a second home of that name is refused, with both and a way out', async () => {
    const [first, second] = homes()
    const unit = 'scrum4me-daemon@work.service'
    expect(await service.cli('install', '--home', first)).toMatchObject({ code: 0 })
    expect(await state(unit)).toBe('active')
    expect(await service.property('UnitFileState', unit)).toBe('enabled')
    const refused = await service.cli('install', '--home', second)
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toMatch(/^CONFLICT: scrum4me-daemon@work\.service /)
    expect(refused.stderr).toContain(`of ${first} and cannot be that of ${second} too`)
    expect(refused.stderr).toContain(`scrum4me-daemon uninstall --home ${first}`)
    expect(await state(unit)).toBe('active')
    // Nor does the second home's `uninstall` or `stop` touch the first's.
    expect((await service.cli('uninstall', '--home', second)).stdout).toContain('No service of this home')
    expect(await service.cli('stop', '--home', second)).toMatchObject({ code: 0 })
    expect(await state(unit)).toBe('active')
    expect(await service.cli('uninstall', '--home', first)).toMatchObject({ code: 0 })
    expect(await service.cli('install', '--home', second)).toMatchObject({ code: 0 })
    expect(await state(unit)).toBe('active')
  })

  test('a unit under the name of an earlier release is replaced without losing a call, or removed', async () => {
    const [home] = homes()
    const { name, former } = unitName({ home, isDefaultHome: false })
    const old = former ?? ''
    const { stdout: text } = await service.cli('install', '--print', '--home', home)
    const file = join(service.user, '.config', 'systemd', 'user', old)
    const installOld = async () => {
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, text)
      await service.systemctl('daemon-reload')
      expect(await service.systemctl('enable', '--now', old)).toMatchObject({ code: 0 })
    }
    await installOld()
    const agent = await Agent.connect(SHIM, { ...service.env, SCRUM4ME_HOME: home }, {})
    try {
      const ended: unknown[] = []
      const note = (how: unknown) => ended.push(how)
      agent.call('wait_for_job', { wait_seconds: 60 }).then(note, note)
      const waits = async () =>
        JSON.parse((await service.cli('status', '--json', '--home', home)).stdout).sessions.some(
          (session: { activity: string }) => session.activity === 'waiting',
        )
      await until('it waits', waits)
      const doctor = JSON.parse((await service.cli('doctor', '--json', '--home', home)).stdout)
      expect(doctor.checks).toContainEqual(
        expect.objectContaining({
          name: 'service',
          state: 'warn',
          remedy: expect.stringContaining('install'),
        }),
      )
      const upgraded = await service.cli('install', '--home', home)
      expect(upgraded).toMatchObject({ code: 0 })
      expect(upgraded.stdout).toContain(`Removed ${file}`)
      expect(await service.property('LoadState', old)).toBe('not-found')
      expect(await state(name)).toBe('active')
      await until('it waits again', waits)
      expect(ended).toEqual([])
    } finally {
      await agent.close()
    }
    expect(await service.cli('uninstall', '--home', home)).toMatchObject({ code: 0 })
    await installOld()
    expect((await service.cli('uninstall', '--home', home)).stdout).toContain(`Removed ${file}`)
    expect(await service.property('LoadState', old)).toBe('not-found')
  })
})
