import { spawnSync } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { resolvePaths } from '../../daemon/paths.ts'
import { tempHome } from './temp-home.ts'
import { testEndpoint } from './test-endpoint.ts'

const NOBODY = 65534
const isRoot = process.getuid?.() === 0
const perl =
  'use Socket; socket(my $s, PF_UNIX, SOCK_STREAM, 0); connect($s, sockaddr_un($ARGV[0])) or die "$!\\n"; print "connected\\n"'

/** Connects as another user, in perl: that user may not be able to read this Node. */
function connectAs(uid: number, socket: string): string {
  const child = spawnSync('perl', ['-e', perl, socket], { uid, gid: uid, cwd: '/', encoding: 'utf8' })
  return child.stdout + child.stderr
}

test.runIf(isRoot)('another user cannot connect, in the home and in a short directory alike', async () => {
  const home = await tempHome()
  const long = resolvePaths({ SCRUM4ME_HOME: `${home.home}/${'x'.repeat(100)}` })
  await mkdir(dirname(long.socket), { mode: 0o700 })
  for (const paths of [home, long]) {
    const { endpoint } = testEndpoint(paths)
    await endpoint.start()
    onTestFinished(() => endpoint.stop())
    expect(connectAs(0, paths.socket)).toBe('connected\n')
    expect(connectAs(NOBODY, paths.socket)).toBe('Permission denied\n')
  }
  const { rm } = await import('node:fs/promises')
  onTestFinished(() => rm(dirname(long.socket), { recursive: true }))
})
