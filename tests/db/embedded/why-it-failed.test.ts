import { expect, test } from 'vitest'
import { whyItFailed } from '../../../daemon/db/embedded/server-process.ts'

const at = '2026-11-23 07:10:24.365 UTC [366]'

test('of what a server logged, the error that ended it and its hint, not what came before or after', () => {
  const lines = [
    `${at} LOG:  starting PostgreSQL 18.4`,
    `${at} FATAL:  the database system is starting up`,
    `${at} FATAL:  lock file "postmaster.pid" is empty`,
    `${at} HINT:  Remove it.`,
    `${at} FATAL:  the database system is shutting down`,
    `${at} LOG:  database system is shut down`,
  ]
  expect(whyItFailed(lines.join('\n'))).toBe(
    'FATAL:  lock file "postmaster.pid" is empty (HINT:  Remove it.)',
  )
  expect(whyItFailed(`${lines[0]}\n${at} PANIC:  could not write: No space left on device\n`)).toBe(
    'PANIC:  could not write: No space left on device',
  )
})

test('without an error the last line counts; nothing logged is nothing said', () => {
  expect(whyItFailed('sh: 1: postgres: not found\n')).toBe('sh: 1: postgres: not found')
  expect(whyItFailed('')).toBe('')
})
