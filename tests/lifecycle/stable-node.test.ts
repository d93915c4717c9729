import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { stableNode } from '../../daemon/lifecycle/stable-node.ts'

test("Homebrew's node is named by a path that an upgrade leaves in place, any other as it is", async () => {
  const prefix = await realpath(await mkdtemp(join(tmpdir(), 'homebrew-')))
  onTestFinished(() => rm(prefix, { recursive: true }))
  const versioned = (version: string) => join(prefix, 'Cellar/node@24', version, 'bin/node')
  for (const version of ['24.1.0', '24.2.0']) {
    await mkdir(join(versioned(version), '..'), { recursive: true })
    await writeFile(versioned(version), '')
  }
  expect(await stableNode(versioned('24.1.0'))).toBe(versioned('24.1.0'))
  await mkdir(join(prefix, 'opt'))
  await symlink('../Cellar/node@24/24.1.0', join(prefix, 'opt/node@24'))
  expect(await stableNode(versioned('24.1.0'))).toBe(join(prefix, 'opt/node@24/bin/node'))
  // Another version than the one that runs is not what was asked for.
  expect(await stableNode(versioned('24.2.0'))).toBe(versioned('24.2.0'))
  expect(await stableNode('/usr/bin/node')).toBe('/usr/bin/node')
})
