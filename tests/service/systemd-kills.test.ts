import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Machine, whyNoMachine } from './machine.ts'
import { QUICK, UNIT, UserService } from './user-service.ts'

const why = await whyNoMachine()
if (why !== undefined) console.log(`Kills under a real systemd are skipped: ${why}`)
const KILLS = 20

describe.skipIf(why !== undefined)('a user service that is killed', () => {
  let machine: Machine
  let service: UserService

  beforeAll(async () => {
    machine = await Machine.boot()
    service = await UserService.prepare(machine)
    expect(await service.cli('install')).toMatchObject({ code: 0 })
  })
  afterAll(() => machine?.halt())

  test(`SIGKILL ${KILLS} times: always one daemon, the open session goes on`, async () => {
    await service.setDropIn(QUICK)
    const agent = await service.agent()
    const shim = agent.pid
    try {
      let before = await service.mainPid()
      for (let round = 0; round < KILLS; round += 1) {
        await service.systemctl('kill', '--kill-whom=main', '--signal=KILL', UNIT)
        // The answer itself shows that the next daemon is there; asking systemd all the while would only slow it.
        expect(await agent.call('health')).toMatchObject({ status: expect.any(String) })
        before = await service.replaced(before)
        await service.oneDaemon()
      }
      expect(agent.pid).toBe(shim)
      expect(await service.property('NRestarts')).toBe(String(KILLS))
      await service.untilDatabase()
    } finally {
      await agent.close()
    }
  })
})
