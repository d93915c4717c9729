import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatEnvLine, parseEnvFile } from '../../daemon/config/env-file.ts'

test('what is written is read back, whatever the value', () => {
  const value = fc.string({ unit: 'grapheme' }).filter((text) => !/[\r\n\u2028\u2029]/.test(text))
  fc.assert(
    fc.property(value, (text) => {
      const { values, faults } = parseEnvFile(`${formatEnvLine('NAME', text)}\n`, 'file')
      expect(faults).toEqual([])
      expect(values.get('NAME')).toBe(text)
    }),
    { numRuns: 500 },
  )
})

test('comments, blank lines, export, quotes and CRLF', () => {
  const text = '# A=1\r\n\r\nexport B = two words \r\nC=\'single "x"\'\r\nD="a \\"b\\" \\$c"\r\nE=a=b#c\r\n'
  const { values } = parseEnvFile(text, 'file')
  expect(Object.fromEntries(values)).toEqual({
    B: 'two words',
    C: 'single "x"',
    D: 'a "b" $c',
    E: 'a=b#c',
  })
})
