import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cutText, jsonBytes, MAX_RESULT_BYTES, shrink, takeWithin } from '../../daemon/tools/shrink.ts'

test('what fits stays as it is', () => {
  const value = { a: 'x'.repeat(39_000), b: [1, null, true] }
  expect(shrink(value)).toBe(value)
})

test('the longest texts give way first, and say how much is missing', () => {
  const value = {
    id: 'c'.repeat(25),
    long: 'x'.repeat(100_000),
    short: 'y'.repeat(900),
    list: [{ t: 'z'.repeat(5_000) }],
  }
  const result = shrink(value)
  expect(jsonBytes(result)).toBeLessThanOrEqual(MAX_RESULT_BYTES)
  expect(jsonBytes(result)).toBeGreaterThan(MAX_RESULT_BYTES * 0.7)
  expect(result).toMatchObject({ id: value.id, short: value.short, list: value.list })
  expect(result.long).toMatch(/x\n\[cut: [\d,]+ more characters, stored in full\]$/)
})

test('a long text that is said twice is said once, whole, when that makes it fit', () => {
  const plan = 'step\n'.repeat(5_000)
  const result = shrink({ task: { implementation_plan: plan }, plan_snapshot: plan, note: 'short' })
  expect(result).toEqual({
    task: { implementation_plan: plan },
    plan_snapshot: '[cut: the same text as task.implementation_plan]',
    note: 'short',
  })
})

test('a cut text is whole characters within its bytes', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary', maxLength: 3_000 }),
        fc.constant('😀'.repeat(1_000)),
        fc.constant('"\\\n'.repeat(900)),
      ),
      fc.integer({ min: 200, max: 2_000 }),
      (text, bytes) => {
        const cut = cutText(text, bytes)
        expect(jsonBytes(cut)).toBeLessThanOrEqual(bytes)
        expect(cut.replace(/\n\[cut: [^\]]*\]$/, '')).toSatisfy((kept: string) => text.startsWith(kept))
        expect(cut).not.toMatch(/\p{Surrogate}/u)
      },
    ),
    { numRuns: 200 },
  )
})

test('any result of a few hundred texts fits', () => {
  const text = fc.oneof(fc.string({ maxLength: 200 }), fc.string({ minLength: 5_000, maxLength: 20_000 }))
  fc.assert(
    fc.property(fc.array(fc.record({ id: fc.uuid(), text, other: text }), { maxLength: 15 }), (rows) => {
      const result = shrink({ rows })
      expect(jsonBytes(result)).toBeLessThanOrEqual(MAX_RESULT_BYTES)
      expect(result.rows).toMatchObject(rows.map(({ id }) => ({ id })))
    }),
    { numRuns: 20 },
  )
})

test('a list keeps what fits, at least one, and counts the rest', () => {
  const rows = Array.from({ length: 100 }, (_, i) => ({ i, text: 'x'.repeat(400) }))
  const { kept, left } = takeWithin(rows, 20_000)
  expect(kept.length + left).toBe(100)
  expect(jsonBytes(kept)).toBeLessThanOrEqual(20_000)
  expect(kept[0]).toBe(rows[0])
  expect(takeWithin([{ text: 'x'.repeat(900) }], 10)).toMatchObject({ left: 0 })
  expect(takeWithin([])).toEqual({ kept: [], left: 0 })
})
