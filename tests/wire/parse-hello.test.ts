import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseHello, parseProtocolRange } from '../../daemon/wire/parse-hello.ts'
import { agree } from '../../daemon/wire/protocol.ts'
import { sessionHello } from '../ipc/session-hello.ts'

test('takes a hello as it was sent', () => {
  const hello = sessionHello({
    clientProcess: { pid: 5, startedAt: '1' },
    repoRoots: { p1: '/r' },
    sshAuthSock: '/s',
  })
  expect(parseHello(JSON.parse(JSON.stringify(hello)))).toEqual(hello)
})

test('any value is a hello or a reason, never an exception, and nothing unchecked gets through', () => {
  const field = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom('x'.repeat(5_000), -1, 0.5, {}, []))
  const keys = Object.keys(sessionHello())
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...keys, '__proto__'), field), (over) => {
      const parsed = parseHello({ ...sessionHello(), ...over })
      if (typeof parsed === 'string' || parsed.role === 'control') return
      expect(parsed.sessionId.length).toBeLessThanOrEqual(128)
      expect(Object.getPrototypeOf(parsed.repoRoots)).toBeNull()
      expect(Object.values(parsed.repoRoots).every((root) => typeof root === 'string')).toBe(true)
      expect(parsed.clientProcess === null || parsed.clientProcess.pid > 0).toBe(true)
    }),
    { numRuns: 3_000 },
  )
})

test('the protocol range is readable whatever else a hello holds', () => {
  expect(parseProtocolRange({ protocol: { min: 4, max: 9, more: 1 }, other: [] })).toEqual({ min: 4, max: 9 })
  for (const protocol of [{ min: 2, max: 1 }, { min: 0, max: 1 }, { min: '1', max: 1 }, [], null, 1]) {
    expect(parseProtocolRange({ protocol })).toBeUndefined()
  }
})

test('two ranges agree on the highest version both speak', () => {
  expect(agree({ min: 1, max: 3 }, { min: 2, max: 5 })).toBe(3)
  expect(agree({ min: 2, max: 5 }, { min: 1, max: 3 })).toBe(3)
  expect(agree({ min: 1, max: 1 }, { min: 2, max: 2 })).toBeUndefined()
})
