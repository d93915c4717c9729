import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { describeDatabase, parseDatabaseUrl } from '../../daemon/db/database-url.ts'
import { DaemonError } from '../../daemon/errors.ts'

test.each([
  [
    'postgresql://u:p%40ss@db.example:5433/scrum?sslmode=disable',
    'db.example',
    5433,
    'db.example:5433/scrum',
  ],
  ['postgres://u@[::1]/scrum', '::1', 5432, '[::1]:5432/scrum'],
  [
    'postgresql://u@/scrum?host=/var/run/postgresql',
    '/var/run/postgresql',
    5432,
    '/var/run/postgresql/scrum',
  ],
  ['postgresql:///scrum?host=/run/pg', '/run/pg', 5432, '/run/pg/scrum'],
  ['postgresql://u@%2Frun%2Fpg/scrum', '/run/pg', 5432, '/run/pg/scrum'],
  ['postgresql://localhost/scrum\n', 'localhost', 5432, 'localhost:5432/scrum'],
])('%s', (text, host, port, shown) => {
  const url = parseDatabaseUrl(text)
  expect(url).toMatchObject({ host, port, database: 'scrum' })
  expect(describeDatabase(url)).toBe(shown)
})

test.each([
  '',
  'not a url',
  'mysql://u:secretpass@h/db',
  'postgresql://u:secretpass@h',
  'postgresql://u:secretpass@h:99999/db',
  'postgresql://u:secretpass@h:port/db',
  'postgresql://u:secret#pass@h/db',
  'postgresql://u:secretpass@h1:1,h2:2/db',
  'postgresql://u:secretpass%zz@h/db',
  'postgresql://u:secretpass@h/a/b',
])('refuses %j without repeating it', (text) => {
  let thrown: unknown
  try {
    parseDatabaseUrl(text)
  } catch (error) {
    thrown = error
  }
  expect(thrown).toBeInstanceOf(DaemonError)
  expect(thrown).toMatchObject({ code: 'VALIDATION_ERROR' })
  expect(inspect(thrown, { depth: 9 })).not.toMatch(/secret/)
})

test('the password is told to the redactor as it is and as it stood in the URL', () => {
  expect(parseDatabaseUrl('postgresql://u:p%40ss@h/db').secrets).toEqual(['p@ss', 'p%40ss'])
})

test("only the way to the server is kept of a URL's parameters, and TLS stays checked", () => {
  const url = parseDatabaseUrl(
    'postgresql://u:p@h/db?sslmode=require&pgbouncer=true&connection_limit=50&application_name=x&statement_timeout=1',
  )
  expect(url.connectionString).toBe('postgresql://u:p@h/db?sslmode=verify-full')
  expect(url.saysPooler).toBe(true)
  expect(parseDatabaseUrl('postgresql://u:p@h/db?sslmode=no-verify').connectionString).toMatch(/no-verify/)
})

test.each([
  ['postgresql://u:p@ep-x-pooler.eu.aws.neon.tech/db', true],
  ['postgresql://u:p@ep-x.eu.aws.neon.tech/db', false],
  ['postgresql://u:p@aws-0-eu.pooler.supabase.com:6543/db', true],
  ['postgresql://u:p@aws-0-eu.pooler.supabase.com:5432/db', false],
  ['postgresql://u:p@h:6432/db', true],
])('%s says pooler: %s', (text, says) => {
  expect(parseDatabaseUrl(text).saysPooler).toBe(says)
})

test('a schema other than public is handed on', () => {
  expect(parseDatabaseUrl('postgresql://h/db?schema=scrum').schema).toBe('scrum')
  expect(parseDatabaseUrl('postgresql://h/db?schema=public').schema).toBeUndefined()
})
