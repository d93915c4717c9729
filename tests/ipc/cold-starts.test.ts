import { mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { holders } from './holder.ts'
import { RawPeer } from './raw-peer.ts'
import { Program } from './run-program.ts'
import { tempHome } from './temp-home.ts'

const long = process.env.SCRUM4ME_TEST_LONG === '1'
const rounds = long ? 50 : 6
const starts = 20
const holder = holders()

test(`${rounds} rounds of ${starts} starts over what a killed daemon left: one serves, the others name it`, async () => {
  const paths = await tempHome()
  const stranger = new Program(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'])
  let last = 0
  for (let round = 0; round < rounds; round += 1) {
    // A stale socket and lock file are there from the second round on; a pid that was given to another
    // process and an abandoned mark are added.
    await writeFile(join(paths.runDir, 'daemon.pid'), `${round % 2 === 0 ? stranger.pid : last} 1\n`)
    await mkdir(join(paths.runDir, 'daemon.alive'), { recursive: true })
    const all = Array.from({ length: starts }, () => holder.start(paths))
    const words = await Promise.all(all.map((one) => one.line(/^(serving|held) /)))
    const serving = words.filter((word) => word.startsWith('serving'))
    expect(serving).toHaveLength(1)
    const pid = serving[0]?.split(' ')[1]
    expect(words.filter((word) => word === `held ${pid}`)).toHaveLength(starts - 1)
    const { ino } = await stat(paths.socket)
    const losers = all.filter((one) => String(one.pid) !== pid)
    expect(await Promise.all(losers.map((one) => one.exited))).toEqual(losers.map(() => 75))
    const peer = await RawPeer.greeted(paths.socket)
    expect((await stat(paths.socket)).ino).toBe(ino)
    peer.close()
    last = Number(pid)
    const winner = all.find((one) => one.pid === last)
    winner?.child.kill('SIGKILL')
    await winner?.exited
  }
}, 240_000)

test('a home whose run directory was deleted under its daemon can be served by another, and the first hears of it', async () => {
  const paths = await tempHome()
  const first = holder.start(paths)
  await first.line(/^serving/)
  await rm(paths.runDir, { recursive: true })
  const second = holder.start(paths)
  await second.line(/^serving/)
  await first.line(/^(lost|replaced) /)
  const { ino } = await stat(paths.socket)
  first.child.kill('SIGTERM')
  await first.exited
  expect((await stat(paths.socket)).ino).toBe(ino)
  ;(await RawPeer.greeted(paths.socket)).close()
})
