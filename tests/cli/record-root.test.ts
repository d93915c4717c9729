import { fork } from 'node:child_process'
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { recordRoot } from '../../daemon/cli/record-root.ts'

let directory: string
let file: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 's4m-record-'))
  file = join(directory, 'sub', 'agent.json')
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const read = async (): Promise<unknown> => JSON.parse(await readFile(file, 'utf8'))

test('makes the file, keeps what it does not know, and is idempotent', async () => {
  await recordRoot(file, 'a', '/one')
  await writeFile(file, JSON.stringify({ other: [1], repoRoots: { z: '/z' }, preparation: { z: {} } }))
  await recordRoot(file, 'a', '/two')
  await recordRoot(file, 'a', '/two')
  expect(await read()).toEqual({ other: [1], repoRoots: { z: '/z', a: '/two' }, preparation: { z: {} } })
})

test('a file that is no JSON object is left alone', async () => {
  await recordRoot(file, 'a', '/one')
  await writeFile(file, 'not json {')
  await expect(recordRoot(file, 'a', '/two')).rejects.toMatchObject({ code: 'VALIDATION_ERROR' })
  expect(await readFile(file, 'utf8')).toBe('not json {')
})

test('a directory in its place is no defect', async () => {
  await mkdir(file, { recursive: true })
  await expect(recordRoot(file, 'a', '/two')).rejects.toMatchObject({
    code: 'VALIDATION_ERROR',
    message: expect.stringContaining(file),
  })
})

test('a link stays a link', async () => {
  const real = join(directory, 'real.json')
  await writeFile(real, '{}')
  const link = join(directory, 'link.json')
  await symlink(real, link)
  await recordRoot(link, 'a', '/one')
  expect((await lstat(link)).isSymbolicLink()).toBe(true)
  expect(JSON.parse(await readFile(real, 'utf8'))).toEqual({ repoRoots: { a: '/one' } })
})

test('concurrent writers of several processes lose nothing, and leave no drafts', async () => {
  const script = join(directory, 'writer.mjs')
  const module = new URL('../../dist/compiled/daemon/cli/record-root.js', import.meta.url).href
  await writeFile(
    script,
    `const { recordRoot } = await import(${JSON.stringify(module)})
     const [file, name] = process.argv.slice(2)
     for (let i = 0; i < 5; i += 1) await recordRoot(file, name + i, '/' + name + i)`,
  )
  const names = ['a', 'b', 'c', 'd']
  await Promise.all(
    names.map(
      (name) =>
        new Promise<void>((resolve, reject) => {
          const child = fork(script, [file, name], { stdio: 'inherit' })
          child.on('exit', (code) =>
            code === 0 ? resolve() : reject(new Error(`writer ended with ${code}`)),
          )
        }),
    ),
  )
  const saved = await read()
  const expected = Object.fromEntries(
    names.flatMap((name) => [0, 1, 2, 3, 4].map((i) => [`${name}${i}`, `/${name}${i}`])),
  )
  expect(saved).toEqual({ repoRoots: expected })
  expect(await readdir(join(directory, 'sub'))).toEqual(['agent.json', 'agent.json.lock'])
})
