import { chmod, chown, mkdir, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ensureHome } from '../../daemon/ipc/ensure-home.ts'
import { resolvePaths } from '../../daemon/paths.ts'
import { tempDirectory } from './temp-home.ts'

async function mode(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8)
}

test('makes the home and its folders private, below parents that did not exist', async () => {
  const paths = resolvePaths({ SCRUM4ME_HOME: join(await tempDirectory(), 'a/b') })
  await ensureHome(paths)
  for (const directory of [paths.home, paths.runDir, paths.stateDir, paths.logDir]) {
    expect(await mode(directory)).toBe('700')
  }
  await ensureHome(paths)
})

test.runIf(process.platform === 'linux')(
  'says so where nothing can be made below what is there',
  async () => {
    await expect(ensureHome(resolvePaths({ SCRUM4ME_HOME: '/proc/home/deeper' }))).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
      message: expect.stringContaining('cannot be created (ENOENT)'),
      remedy: expect.stringContaining('name another home'),
    })
  },
)

test('closes an open folder inside a private home', async () => {
  const paths = resolvePaths({ SCRUM4ME_HOME: join(await tempDirectory(), 'h') })
  await ensureHome(paths)
  await chmod(paths.logDir, 0o755)
  await ensureHome(paths)
  expect(await mode(paths.logDir)).toBe('700')
})

test('refuses a home that is open to others, names the command, and changes nothing', async () => {
  const home = await tempDirectory()
  await chmod(home, 0o750)
  await expect(ensureHome(resolvePaths({ SCRUM4ME_HOME: home }))).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
    message: expect.stringContaining('open to other users (mode 750)'),
    remedy: expect.stringContaining(`chmod 700 "${home}"`),
  })
  expect(await mode(home)).toBe('750')
  expect(await readdir(home)).toEqual([])
})

test.each([
  { name: 'a home that holds files of others', home: '.', socket: undefined },
  { name: 'a socket directory outside the home', home: 'h', socket: 'x.sock' },
])('$name is not to be closed to them', async ({ home, socket }) => {
  const directory = await tempDirectory()
  await writeFile(join(directory, 'of-others'), '')
  await chmod(directory, 0o1777)
  const env = {
    SCRUM4ME_HOME: join(directory, home),
    ...(socket === undefined ? {} : { SCRUM4ME_SOCKET: join(directory, socket) }),
  }
  await expect(ensureHome(resolvePaths(env))).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
    remedy: expect.stringMatching(/^(?!.*chmod).* a directory of (its|your) own/),
  })
})

test.runIf(process.getuid?.() === 0)('refuses the home of another user', async () => {
  const home = await tempDirectory()
  await chown(home, 65534, 65534)
  await expect(ensureHome(resolvePaths({ SCRUM4ME_HOME: home }))).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
    message: expect.stringContaining('belongs to another user (uid 65534, not 0)'),
  })
})

test('refuses a file where the home should be, and a place that cannot be written', async () => {
  const directory = await tempDirectory()
  await writeFile(join(directory, 'file'), '')
  for (const home of [join(directory, 'file'), join(directory, 'file/below')]) {
    await expect(ensureHome(resolvePaths({ SCRUM4ME_HOME: home }))).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
      remedy: expect.stringContaining('--home'),
    })
  }
})

test('a home that is a link to a private directory of ours is fine', async () => {
  const directory = await tempDirectory()
  await mkdir(join(directory, 'real'), { mode: 0o700 })
  await symlink(join(directory, 'real'), join(directory, 'link'))
  await ensureHome(resolvePaths({ SCRUM4ME_HOME: join(directory, 'link') }))
  expect(await readdir(join(directory, 'real'))).toContain('run')
})

test('a socket directory in /tmp that somebody prepared is refused: a link, an open one, a file', async () => {
  const directory = await tempDirectory()
  const paths = resolvePaths({ SCRUM4ME_HOME: join(directory, 'x'.repeat(100)) })
  const short = dirname(paths.socket)
  expect(short).toMatch(/^\/tmp\/scrum4me-\d+-[0-9a-f]{16}$/)
  onTestFinished(async () => {
    for (const made of [short, dirname(paths.pgSocketDir)]) await rm(made, { recursive: true, force: true })
  })
  await symlink(directory, short)
  await expect(ensureHome(paths)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
  await rm(short)
  await mkdir(short, { mode: 0o755 })
  await chmod(short, 0o755)
  await expect(ensureHome(paths)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
  await chmod(short, 0o700)
  await ensureHome(paths)
})
