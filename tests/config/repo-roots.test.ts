import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RepoRoots } from '../../daemon/config/repo-roots.ts'

let directory: string
let file: string
let warnings: (readonly string[])[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 's4m-roots-'))
  file = join(directory, 'agent.json')
  warnings = []
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const roots = (daemon: Record<string, string> = {}) =>
  new RepoRoots(daemon, file, (heard) => warnings.push(heard))
const save = (content: unknown) => writeFile(file, JSON.stringify(content))

test('session wins over daemon wins over file', async () => {
  await save({ repoRoots: { a: '/file/a', b: '/file/b', c: '/file/c' } })
  const repo = roots({ a: '/daemon/a', b: '/daemon/b' })
  const session = { a: '/session/a' }
  expect(await repo.resolve('a', session)).toEqual({ path: '/session/a', source: 'session' })
  expect(await repo.resolve('b', session)).toEqual({ path: '/daemon/b', source: 'daemon' })
  expect(await repo.resolve('c', session)).toEqual({ path: '/file/c', source: 'file' })
  expect(await repo.resolve('d', session)).toBeUndefined()
  expect([...(await repo.known(session)).keys()].sort()).toEqual(['a', 'b', 'c'])
})

test('the file is read again at every call, and may be missing', async () => {
  const repo = roots()
  expect(await repo.resolve('a')).toBeUndefined()
  await save({ repoRoots: { a: '/one' } })
  expect((await repo.resolve('a'))?.path).toBe('/one')
  await save({ repoRoots: { a: '/two' } })
  expect((await repo.resolve('a'))?.path).toBe('/two')
  await rm(file)
  expect(await repo.resolve('a')).toBeUndefined()
  expect(warnings).toEqual([])
})

test('a malformed file is a warning once per change, and the other sources still count', async () => {
  await writeFile(file, '{ "repoRoots": ')
  const repo = roots({ b: '/daemon/b' })
  expect(await repo.resolve('a', { a: '/session/a' })).toEqual({ path: '/session/a', source: 'session' })
  expect((await repo.resolve('b'))?.path).toBe('/daemon/b')
  expect(await repo.resolve('c')).toBeUndefined()
  expect(warnings).toHaveLength(1)
  expect(warnings[0]?.[0]).toContain('no valid JSON')
  await save({ repoRoots: { c: '/c' } })
  expect((await repo.resolve('c'))?.path).toBe('/c')
  expect(warnings).toHaveLength(2)
  expect(warnings[1]).toEqual([])
})

test('one bad entry does not cost the good ones', async () => {
  await save({ repoRoots: { a: 'relative', b: 7, c: '/c' }, preparation: [] })
  const repo = roots()
  expect([...(await repo.known()).keys()]).toEqual(['c'])
  expect(warnings[0]).toHaveLength(3)
})

test('a session’s relative root and prototype names do not count', async () => {
  const repo = roots()
  expect(await repo.resolve('a', { a: '../x' })).toBeUndefined()
  for (const name of ['__proto__', 'constructor', 'toString'])
    expect(await repo.resolve(name)).toBeUndefined()
})

test('preparation is parsed to data', async () => {
  await save({
    preparation: {
      a: { copy: ['.env'], link: ['node_modules'], command: 'npm ci', timeoutSeconds: 30 },
      b: { command: ['make', 'deps'] },
      c: { copy: ['../outside'] },
      d: { link: ['/etc'] },
      e: { command: 7 },
      f: { timeoutSeconds: 0 },
      g: { copy: ['.git/config'] },
    },
  })
  const repo = roots()
  expect(await repo.preparation('a')).toEqual({
    copy: ['.env'],
    link: ['node_modules'],
    command: ['sh', '-c', 'npm ci'],
    timeoutSeconds: 30,
  })
  expect(await repo.preparation('b')).toEqual({
    copy: [],
    link: [],
    command: ['make', 'deps'],
    timeoutSeconds: 300,
  })
  for (const bad of ['c', 'd', 'e', 'f', 'g']) expect(await repo.preparation(bad)).toBeUndefined()
  expect(warnings[0]).toHaveLength(5)
})
