import fc from 'fast-check'
import { expect, test } from 'vitest'
import { resultId } from '../../shim/result-id.ts'

const tail = ',"jsonrpc":"2.0","id":7}'
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom(tail, `"${tail}`, `\\"${tail}`, '{"result":{'),
)
const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    text,
    fc.integer(),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.oneof(text, fc.constantFrom('id', 'jsonrpc', 'result')), tie('value'), { maxKeys: 4 }),
  ),
})).value

test('finds the id of every result as the SDK writes it', () => {
  fc.assert(
    fc.property(fc.dictionary(text, value), fc.oneof(fc.integer(), text), (result, id) => {
      expect(resultId(JSON.stringify({ result, jsonrpc: '2.0', id }))).toBe(id)
    }),
    { numRuns: 2_000 },
  )
})

test('of any other message it finds the right id or none', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom('result', 'jsonrpc', 'id', 'error', 'x'), value), (message) => {
      const found = resultId(JSON.stringify(message))
      if (found !== undefined) expect(found).toBe(message.id)
    }),
    { numRuns: 5_000 },
  )
})
