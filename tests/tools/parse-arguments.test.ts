import { expect, test } from 'vitest'
import { z } from 'zod'
import { id, jsonObject, priority, seconds, text } from '../../daemon/tools/arguments.ts'
import { parseArguments } from '../../daemon/tools/parse-arguments.ts'

const schema = z.object({
  item_id: id('x'),
  title: text('x', { min: 1, max: 5 }),
  note: text('x').optional(),
  priority: priority(),
  wait: seconds('x', 0, 600).optional(),
  kind: z.enum(['a', 'b']).optional(),
  options: z
    .array(text('x', { min: 1 }))
    .max(2)
    .optional(),
  metadata: jsonObject('x').optional(),
})
const good = { item_id: '', title: 'abc', priority: 1 }

function faults(args: unknown): string {
  try {
    parseArguments(schema, args)
  } catch (error) {
    return String(error instanceof Error ? error.message : error)
  }
  return 'none'
}

test('what the schema takes comes through unchanged', () => {
  const args = { ...good, note: '', wait: 600, options: ['x'], metadata: { a: [1, null, { b: 'ü😀' }] } }
  expect(parseArguments(schema, args)).toEqual(args)
})

test('what existing agents send besides is ignored, anything else is refused by name', () => {
  const tolerated = {
    ...{ sort_order: 1, sprint_id: 's', capability: 'c', model_id: 'm', cost: 0.1 },
    ...{ input_tokens: 1, output_tokens: 2, cache_read_tokens: 3, total_token_count: 4, tokens: 5 },
  }
  expect(parseArguments(schema, { ...good, ...tolerated })).toEqual(good)
  expect(faults({ ...good, colour: 1 })).toBe('colour is not an argument of this tool')
  expect(faults({ ...good, token: 's3cret' })).toBe('token is not an argument of this tool')
  expect(faults({ ...good, __proto__x: 1, constructor: 2 })).toContain('constructor is not an argument')
  expect(faults({ ...good, ['x'.repeat(500)]: 1 }).length).toBeLessThan(200)
})

test.each([
  [{ ...good, item_id: undefined }, 'item_id is required'],
  [{ ...good, item_id: 7 }, 'item_id must be a string'],
  [{ ...good, title: '' }, 'title must not be empty'],
  [{ ...good, title: 'abcdef' }, 'title must have at most 5 characters'],
  [{ ...good, title: 'a\0' }, 'title must not contain a NUL character'],
  [{ ...good, note: null }, 'note must be a string'],
  [{ ...good, note: 'x'.repeat(100_001) }, 'note must have at most 100,000 characters'],
  [{ ...good, priority: 5 }, 'priority must be at most 4'],
  [{ ...good, priority: 0 }, 'priority must be at least 1'],
  [{ ...good, priority: 1.5 }, 'priority must be a whole number'],
  [{ ...good, priority: '1' }, 'priority must be a number'],
  [{ ...good, wait: -1 }, 'wait must be at least 0'],
  [{ ...good, wait: 601 }, 'wait must be at most 600'],
  [{ ...good, wait: Number.NaN }, 'wait must be a number'],
  [{ ...good, kind: 'c' }, 'kind must be one of a, b'],
  [{ ...good, options: ['a', 'b', 'c'] }, 'options must have at most 2 entries'],
  [{ ...good, options: ['a', ''] }, 'options[1] must not be empty'],
  [{ ...good, options: 'a' }, 'options must be a list'],
  [{ ...good, metadata: [] }, 'metadata must be an object'],
  [{ ...good, metadata: { a: 'x\0' } }, 'metadata must not contain a NUL character'],
  [{ ...good, metadata: { 'x\0': 1 } }, 'metadata must not contain a NUL character'],
  [{ ...good, metadata: { a: '\ud800' } }, 'metadata must be well-formed Unicode'],
  [{ ...good, metadata: { a: 'x'.repeat(100_001) } }, 'metadata must be at most 100,000 characters of JSON'],
  [{ ...good, metadata: nested(80) }, 'metadata must not be nested deeper than 64 levels'],
  [[], 'the arguments must be one JSON object'],
  ['x', 'the arguments must be one JSON object'],
  [null, 'the arguments must be one JSON object'],
  [undefined, 'item_id is required; title is required; priority is required'],
])('%j → %s', (args, words) => {
  expect(faults(args)).toBe(words)
})

test('many faults are counted, not all listed', () => {
  const args = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`x${i}`, i]))
  expect(faults({ ...good, ...args })).toMatch(/; and 40 more$/)
})

function nested(depth: number): object {
  return depth === 0 ? {} : { a: nested(depth - 1) }
}
