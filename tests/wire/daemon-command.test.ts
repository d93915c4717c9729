import { expect, test } from 'vitest'
import { withHome } from '../../daemon/wire/daemon-command.ts'

const text = 'Use npm, run `scrum4me-daemon login`, then `scrum4me-daemon restart --home /b`; or `claude`.'

test('commands in a text are those of this home, unless they name one', () => {
  expect(withHome(text, { home: '/a b', isDefaultHome: false })).toBe(
    "Use npm, run `scrum4me-daemon login --home '/a b'`, then `scrum4me-daemon restart --home /b`; or `claude`.",
  )
  expect(withHome(text, { home: '/a b', isDefaultHome: true })).toBe(text)
})
