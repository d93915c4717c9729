import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LaunchdService } from '../../daemon/cli/service/launchd.ts'
import { renderPlist } from '../../daemon/cli/service/render.ts'
import { resolvePaths } from '../../daemon/paths.ts'
import { MAIN } from '../support/installation.ts'

// There is no Mac here; what launchctl would be asked is shown by a stand-in that writes it down. It does as is known
// of the real one: an agent that is booted out is still there for a while, and loading fails for a while longer.
const uid = process.getuid?.() ?? 0
let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 's4m-launchctl-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

async function standIn(name: string, domain: 'gui' | 'user') {
  const place = join(directory, name)
  const bin = join(place, 'bin')
  const log = join(place, 'launchctl.log')
  await mkdir(bin, { recursive: true })
  const script = [
    '#!/bin/sh',
    `cd "${place}"; echo "$@" >> launchctl.log`,
    'case "$1 $2" in',
    `"print gui/${uid}") test ${domain} = gui || exit 113 ;;`,
    `"print ${domain}/${uid}/"*)`,
    '  test -f loaded || exit 113',
    '  if test -f leaving; then rm leaving loaded; fi ;;',
    '"print "*) exit 113 ;;',
    `"bootstrap ${domain}/${uid}")`,
    '  if test -f loaded; then exit 37; fi',
    '  if test -f busy; then rm busy; echo "Bootstrap failed: 5: Input/output error" >&2; exit 5; fi',
    '  touch loaded ;;',
    '"bootstrap "*) exit 125 ;;',
    `"bootout ${domain}/${uid}/"*) test -f loaded || exit 3; touch leaving busy; exit 36 ;;`,
    '"bootout "*) exit 3 ;;',
    '"kickstart "*) test -f loaded || exit 113 ;;',
    'esac',
  ]
  await writeFile(join(bin, 'launchctl'), script.join('\n'), { mode: 0o755 })
  const at = {
    env: { PATH: `${bin}:/usr/bin:/bin`, HOME: directory },
    paths: resolvePaths({}, { home: join(directory, 'plain') }),
    main: MAIN,
  }
  const make = (path = at.env.PATH) =>
    new LaunchdService(at, {
      name: 'com.scrum4me.daemon',
      render: (session) => renderPlist({ ...at, env: { ...at.env, PATH: path } }, session),
      directory: join(place, 'agents'),
    })
  const asked = async () => {
    const lines = (await readFile(log, 'utf8')).trim().split('\n')
    await writeFile(log, '')
    return lines.filter((line) => !line.startsWith('print'))
  }
  return { make, asked, agent: `${domain}/${uid}/com.scrum4me.daemon` }
}

test('install loads the agent once, start and stop are idempotent, remove leaves nothing', async () => {
  const { make, asked, agent } = await standIn('at the screen', 'gui')
  const service = make()
  await service.enable(await service.render())
  expect(await asked()).toEqual([`enable ${agent}`])
  await service.start()
  expect(await asked()).toEqual([`bootout ${agent}`, `bootstrap gui/${uid} ${service.file}`])
  await service.start()
  expect(await asked()).toEqual([`kickstart ${agent}`])
  // Over the same definition nothing is unloaded: the daemon that runs is not ended.
  const again = make()
  await again.enable(await again.render())
  await again.restart()
  expect(await asked()).toEqual([`enable ${agent}`, `kickstart ${agent}`])
  await service.stop()
  await service.stop()
  await service.remove()
  expect(await asked()).toEqual([`bootout ${agent}`, `bootout ${agent}`, `bootout ${agent}`])
  expect((await service.installedFor()).text).toBeUndefined()
})

test('a new definition is loaded as soon as launchd has let the old one go', async () => {
  const { make, asked, agent } = await standIn('changed', 'gui')
  const service = make()
  await service.enable(await service.render())
  await service.start()
  await asked()
  const changed = make('/opt/other/bin:/usr/bin:/bin')
  await changed.enable((await changed.render()).replace('<integer>10</integer>', '<integer>11</integer>'))
  // Its sessions are told first.
  expect(await asked()).toEqual([`enable ${agent}`])
  await changed.restart()
  const load = `bootstrap gui/${uid} ${service.file}`
  expect(await asked()).toEqual([`bootout ${agent}`, load, load])
})

test("without a login at the screen the agent is the user's background one, and stays it", async () => {
  const { make, asked, agent } = await standIn('over ssh', 'user')
  const service = make()
  const text = await service.render()
  expect(text).toMatch(/LimitLoadToSessionType<\/key>\s*<string>Background</)
  await service.enable(text)
  await service.start()
  expect((await asked()).slice(1)).toEqual([`bootout ${agent}`, `bootstrap user/${uid} ${service.file}`])
  await make().restart()
  expect(await asked()).toEqual([`kickstart ${agent}`])
})
