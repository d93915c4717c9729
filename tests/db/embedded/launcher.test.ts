import { chmod, mkdir, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { findBinaries } from '../../../daemon/db/embedded/binaries.ts'
import { exposedBase } from '../../../daemon/db/embedded/installation.ts'
import { chooseLauncher, type LauncherKind } from '../../../daemon/db/embedded/launcher.ts'
import { isDead, TestHome } from './test-home.ts'

let home: TestHome
/** An installation that ran before, to copy its data from: faster than making it anew. */
let ran: TestHome

beforeAll(async () => {
  ran = await TestHome.installed()
})

afterAll(() => ran.remove())

beforeEach(async () => {
  home = await TestHome.make()
})

afterEach(() => home.remove())

/** The last rung keeps its files outside the home. */
async function removeExposed(): Promise<void> {
  await home.stop()
  await rm(join(await readlink(home.paths.pgSocketDir), '..'), { recursive: true, force: true })
}

test('a platform without a package, and a package that is not installed, name DATABASE_URL', () => {
  const remedy = expect.stringMatching(/DATABASE_URL/)
  expect(() => findBinaries('sunos-x64')).toThrow(
    expect.objectContaining({ code: 'DATABASE_UNAVAILABLE', remedy }),
  )
  const missing = () => {
    throw new Error('Cannot find module')
  }
  expect(() => findBinaries('linux-x64', missing)).toThrow(
    expect.objectContaining({ message: expect.stringMatching(/not installed/), remedy }),
  )
})

test('programs for another libc are recognised', async () => {
  const tree = join(home.directory, 'tree')
  await mkdir(join(tree, 'bin'), { recursive: true })
  // A file whose loader is missing fails exactly like a glibc program on musl.
  await writeFile(join(tree, 'bin', 'postgres'), '#!/lib/ld-none.so\n')
  await chmod(join(tree, 'bin', 'postgres'), 0o755)
  await expect(chooseLauncher({ treeFor: async () => tree })).rejects.toMatchObject({
    message: expect.stringMatching(/musl/),
    remedy: expect.stringMatching(/DATABASE_URL/),
  })
})

test('where no way of running works, each one is named with its reason', async () => {
  const tree = join(home.directory, 'tree')
  await mkdir(join(tree, 'bin'), { recursive: true })
  await writeFile(join(tree, 'bin', 'postgres'), '#!/bin/sh\necho broken >&2; exit 7\n')
  await chmod(join(tree, 'bin', 'postgres'), 0o755)
  const message = process.getuid?.() === 0 ? /namespace: .*capability: .*user: / : /direct: broken/
  await expect(chooseLauncher({ treeFor: async () => tree })).rejects.toMatchObject({
    message: expect.stringMatching(message),
  })
})

describe.runIf(process.getuid?.() === 0 && process.platform === 'linux')('as root', () => {
  test.each<[LauncherKind, LauncherKind[], number]>([
    ['namespace', [], 0],
    ['capability', ['namespace'], 65534],
    ['user', ['namespace', 'capability'], 65534],
  ])('by %s: starts, adopts, stops', async (kind, without, uid) => {
    const postgres = home.server({ without })
    try {
      await postgres.start()
      expect((await stat(home.cluster)).uid).toBe(uid)
      const pid = await home.postmaster()
      const adopting = home.server({ without })
      await adopting.start()
      expect(await home.postmaster()).toBe(pid)
      await adopting.stop()
      expect(await isDead(pid)).toBe(true)
    } finally {
      if (kind === 'user') await removeExposed()
    }
  })

  test('another rung than last time takes the data over', async () => {
    await home.copyFrom(ran)
    const first = home.server()
    await first.start()
    await first.stop()
    const second = home.server({ without: ['namespace'] })
    await second.start()
    expect(await home.ask('select n from kept')).toEqual([{ n: 1 }])
    expect((await stat(home.cluster)).uid).toBe(65534)
    await second.stop()
    // Both work again: the owner's rung is preferred, nothing has to change hands.
    await home.server().start()
    expect((await stat(home.cluster)).uid).toBe(65534)
    expect(await home.ask('select n from kept')).toEqual([{ n: 1 }])
  })

  test('where only a rung with another place for the data works, what is in the home is not replaced by nothing', async () => {
    await home.copyFrom(ran)
    const first = home.server()
    await first.start()
    await first.stop()
    await expect(home.server({ without: ['namespace', 'capability'] }).start()).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      message: expect.stringContaining(home.cluster),
    })
    await expect(stat(exposedBase(home.paths.home))).rejects.toThrow('ENOENT')
    await home.server().start()
    expect(await home.ask('select n from kept')).toEqual([{ n: 1 }])
  })
})
