import { describe, expect, it } from 'vitest'
import { ServiceGroup } from '../../daemon/lifecycle/group.ts'
import type { Service } from '../../daemon/lifecycle/service.ts'

function service(name: string, log: string[], faults: { start?: boolean; stop?: boolean } = {}): Service {
  return {
    name,
    async start() {
      if (faults.start) throw new Error(`${name} cannot start`)
      log.push(`+${name}`)
    },
    async stop() {
      log.push(`-${name}`)
      if (faults.stop) throw new Error(`${name} cannot stop`)
    },
  }
}

describe('ServiceGroup', () => {
  it('stops in reverse, once, and an error of one keeps none from stopping', async () => {
    const log: string[] = []
    const failed: string[] = []
    const group = new ServiceGroup((one) => failed.push(one.name))
    for (const one of [service('a', log), service('b', log, { stop: true }), service('c', log)])
      await group.start(one)
    await Promise.all([group.stop(), group.stop()])
    expect(log).toEqual(['+a', '+b', '+c', '-c', '-b', '-a'])
    expect(failed).toEqual(['b'])
  })

  it('a failed start takes back what had started', async () => {
    const log: string[] = []
    const group = new ServiceGroup(() => undefined)
    await group.start(service('a', log))
    await expect(group.start(service('b', log, { start: true }))).rejects.toThrow('b cannot start')
    expect(log).toEqual(['+a', '-a'])
  })
})
