import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MALLOC_VARIABLES, NODE_FLAGS } from '../../daemon/cli/detached.ts'
import { LaunchdService } from '../../daemon/cli/service/launchd.ts'
import { renderPlist, renderSystemUnit, renderUserUnit } from '../../daemon/cli/service/render.ts'
import { programsOf } from '../../daemon/cli/service/service-checks.ts'
import { launchdLabel, unitName } from '../../daemon/cli/service/service-name.ts'
import { SystemdService } from '../../daemon/cli/service/systemd.ts'
import { commandWord, fill, xmlText } from '../../daemon/cli/service/template.ts'
import { resolvePaths } from '../../daemon/paths.ts'
import { MAIN } from '../support/installation.ts'

let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 's4m-units-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

function run(command: string, ...args: string[]): Promise<{ code: number | 'missing'; output: string }> {
  return new Promise((resolve) => {
    execFile(command, args, { env: { PATH: process.env.PATH, LC_ALL: 'C' } }, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code === 'ENOENT' ? 'missing' : Number(error.code)
      resolve({ code, output: stdout + stderr })
    })
  })
}

const analyze = (await run('systemd-analyze', '--version')).code
if (analyze === 'missing') console.log('systemd-analyze is not here: units are rendered but not verified')
const escaper = (await run('systemd-escape', 'x')).code
const python = (await run('python3', '-c', 'import plistlib')).code
if (python !== 0) console.log('python3 with plistlib is not here: the property list is not parsed')

/** A home whose name needs every kind of quoting. */
const hard = () => {
  const home = join(directory, 'my home 100% "$HOME" <&>')
  return {
    env: { PATH: process.env.PATH, HOME: directory, XDG_CONFIG_HOME: join(directory, 'config') },
    paths: resolvePaths({}, { home }),
    main: MAIN,
  }
}
const plain = () => ({ ...hard(), paths: resolvePaths({}, { home: join(directory, 'plain') }) })

async function verified(name: string, text: string): Promise<string> {
  const file = join(directory, name)
  await writeFile(file, text)
  const { output } = await run('systemd-analyze', '--man=no', 'verify', file)
  // An older systemd names the two settings it does not know; what it knows must be right.
  return output
    .split('\n')
    .filter((line) => line.includes(file) && !/RestartSteps|RestartMaxDelaySec/.test(line))
    .join('\n')
}

describe('names', () => {
  test('the default home has the plain name, another that of its directory', () => {
    const standard = { home: '/home/u/.scrum4me', isDefaultHome: true }
    expect([unitName(standard), launchdLabel(standard)]).toEqual([
      { name: 'scrum4me-daemon.service', former: undefined },
      { name: 'com.scrum4me.daemon', former: undefined },
    ])
    const work = { home: '/home/u/work', isDefaultHome: false }
    expect(unitName(work)).toEqual({
      name: 'scrum4me-daemon@work.service',
      former: 'scrum4me-daemon@work-685373.service',
    })
    expect(launchdLabel(work).name).toBe('com.scrum4me.daemon.work')
    expect(launchdLabel({ ...work, home: '/srv/.my work' }).name).toBe('com.scrum4me.daemon.my-work')
  })

  test.skipIf(escaper === 'missing')('a name is escaped as systemd-escape does it', async () => {
    for (const name of ['.scrum4me-work', 'a.b_c:1', 'my home 100% "x" \\', 'büro', '-', '...']) {
      const { output } = await run('systemd-escape', '--', name)
      expect(unitName({ home: `/srv/${name}`, isDefaultHome: false }).name).toBe(
        `scrum4me-daemon@${output.trim()}.service`,
      )
    }
  })

  test('whose an installed definition is can be read from it, whatever its home is called', async () => {
    const at = hard()
    for (const [file, text] of [
      ['own.service', await renderUserUnit(at)],
      ['own.plist', await renderPlist(at, 'Aqua')],
    ] as const) {
      const options = { name: file.replace('.plist', ''), render: async () => text }
      const service = file.endsWith('.plist')
        ? new LaunchdService(at, { ...options, directory })
        : new SystemdService({ ...at, env: { XDG_CONFIG_HOME: directory } }, { ...options, scope: 'user' })
      expect(await service.installedFor()).toMatchObject({ text: undefined, isOurs: false })
      await mkdir(dirname(service.file), { recursive: true })
      await writeFile(service.file, text)
      expect(await service.installedFor()).toEqual({ text, home: at.paths.home, isOurs: true })
    }
  })

  test('a name without a value is found out', () => {
    expect(() => fill('x @NOPE@', {})).toThrow('@NOPE@')
  })
})

describe.skipIf(analyze === 'missing')('systemd', () => {
  test('the user unit passes verify without a word, with a home that needs quoting, too', async () => {
    expect(await verified('user.service', await renderUserUnit(plain()))).toBe('')
    const text = await renderUserUnit(hard())
    expect(text).not.toMatch(/@[A-Z_]+@(?<!@NAMES@)/)
    expect(await verified('hard.service', text)).toBe('')
    const exec = text.split('\n').find((line) => line.startsWith('ExecStart='))
    expect(exec).toMatch(/^ExecStart=\/\S+ --max-semi-space-size=8 \/\S+main\.js run --home "/)
    expect(exec).toContain('100%% \\"$$HOME\\"')
  })

  test('both units run the daemon as it is run without them: memory goes back to the system', async () => {
    const lines = Object.entries(MALLOC_VARIABLES).map(([name, value]) => `Environment=${name}=${value}`)
    for (const text of [await renderUserUnit(plain()), await renderSystemUnit(plain(), 'daemon')]) {
      expect(text.split('\n')).toEqual(expect.arrayContaining(lines))
    }
  })

  test('the system unit passes verify, and its exposure is at most 2.0', async () => {
    const text = await renderSystemUnit(plain(), 'daemon')
    expect(await verified('system.service', text)).toBe('')
    const file = join(directory, 'system.service')
    const { code, output } = await run(
      'systemd-analyze',
      'security',
      '--offline=true',
      '--threshold=20',
      '--no-pager',
      file,
    )
    expect(output).toMatch(/Overall exposure level/)
    expect(code).toBe(0)
  })

  test('what the system unit may write is the home, the worktrees and every known clone', async () => {
    const config = join(directory, 'agent.json')
    await writeFile(config, JSON.stringify({ repoRoots: { p: '/srv/clone one' } }))
    const at = plain()
    const env = {
      ...at.env,
      SCRUM4ME_AGENT_CONFIG: config,
      SCRUM4ME_AGENT_WORKTREE_DIR: '/srv/trees',
      SCRUM4ME_REPO_ROOT_q: '/srv/two',
    }
    const text = await renderSystemUnit({ ...at, env }, 'daemon')
    const line = text.split('\n').find((one) => one.startsWith('ReadWritePaths='))
    expect(line).toBe(`ReadWritePaths=${at.paths.home} /srv/trees -/srv/two "-/srv/clone one"`)
  })
})

describe.skipIf(python !== 0)('launchd', () => {
  test('the property list parses, and every value has its type', async () => {
    const file = join(directory, 'x.plist')
    await writeFile(file, await renderPlist(hard(), 'Aqua'))
    const script = 'import json,plistlib,sys; print(json.dumps(plistlib.load(open(sys.argv[1],"rb"))))'
    const { code, output } = await run('python3', '-c', script, file)
    expect({ code, output }).toMatchObject({ code: 0 })
    const { home } = hard().paths
    expect(JSON.parse(output)).toEqual({
      Label: launchdLabel(hard().paths).name,
      ProgramArguments: [
        process.execPath,
        ...NODE_FLAGS,
        expect.stringMatching(/^\/.*main\.js$/),
        'run',
        '--home',
        home,
      ],
      EnvironmentVariables: { PATH: expect.stringMatching(/^\//) },
      WorkingDirectory: '/',
      Umask: 0o022,
      RunAtLoad: true,
      KeepAlive: true,
      ThrottleInterval: 10,
      ExitTimeOut: 30,
      ProcessType: 'Interactive',
      LimitLoadToSessionType: 'Aqua',
      SoftResourceLimits: { NumberOfFiles: 4096 },
      StandardOutPath: '/dev/null',
      StandardErrorPath: join(home, 'logs', 'launchd.log'),
    })
  })
})

test('doctor finds the programs that a definition names, wherever they lie', async () => {
  const at = { ...hard(), main: MAIN }
  const node = process.execPath
  expect(programsOf({ kind: 'launchd' }, await renderPlist(at, 'Aqua'))).toEqual([node, MAIN])
  expect(programsOf({ kind: 'systemd' }, await renderUserUnit(at))).toEqual([node, MAIN])
  const spaced = '/Users/me/Library/Application Support/fnm/R&D/bin/node'
  const plist = (await renderPlist(at, 'Aqua')).replace(xmlText(node), xmlText(spaced))
  expect(programsOf({ kind: 'launchd' }, plist)).toEqual([spaced, MAIN])
  const unit = (await renderUserUnit(at)).replace(`ExecStart=${node}`, `ExecStart=${commandWord(spaced)}`)
  expect(programsOf({ kind: 'systemd' }, unit)).toEqual([spaced, MAIN])
})
