import { expect, test } from 'vitest'
import { Unanswered } from '../../daemon/wire/unanswered.ts'

test('keeps requests until they are taken, within both bounds', () => {
  const requests = new Unanswered<string>(3, 10)
  expect([requests.add(1, 'a', 4), requests.add('1', 'b', 4)]).toEqual([true, true])
  expect(requests.add(2, 'too much', 3)).toBe(false)
  expect(requests.add(2, 'c', 2)).toBe(true)
  expect(requests.add(3, 'too many', 0)).toBe(false)
  expect([...requests]).toEqual(['a', 'b', 'c'])
  expect([requests.take(1), requests.take(1), requests.take(undefined)]).toEqual(['a', undefined, undefined])
  expect(requests.add(3, 'd', 4)).toBe(true)
  expect([requests.count, [...requests]]).toEqual([3, ['b', 'c', 'd']])
})

test('an id that is used again takes no room twice', () => {
  const requests = new Unanswered<string>(2, 10)
  for (let turn = 0; turn < 5; turn += 1) expect(requests.add(7, `turn ${turn}`, 8)).toBe(true)
  expect([...requests]).toEqual(['turn 4'])
})

test('taking all of them while going through them misses none', () => {
  const requests = new Unanswered<number>(100, 100)
  for (let id = 0; id < 100; id += 1) requests.add(id, id, 1)
  const seen: (number | undefined)[] = []
  for (const id of requests) seen.push(requests.take(id))
  expect(seen).toEqual(Array.from({ length: 100 }, (_, id) => id))
  expect(requests.count).toBe(0)
})
