import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exitCodeOf } from '../../daemon/cli/exit.ts'
import { runCli } from '../../daemon/cli/program.ts'
import { toDaemonError } from '../../daemon/errors.ts'
import { ControlError } from '../../daemon/ipc/control-client.ts'
import { VERSION } from '../../daemon/version.ts'
import { MAIN, SHIM } from '../support/installation.ts'
import { fakeTerminal } from './terminal.ts'

let directory: string
let home: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 's4m-cli-'))
  home = join(directory, 'home')
})
afterAll(() => rm(directory, { recursive: true, force: true }))

async function cli(args: string[], env: NodeJS.ProcessEnv = {}, input = '') {
  const terminal = fakeTerminal({ input })
  const code = await runCli(args, {
    terminal,
    cwd: directory,
    env: { PATH: process.env.PATH, HOME: directory, SCRUM4ME_HOME: home, ...env },
  })
  return { code, stdout: terminal.stdout, stderr: terminal.stderr }
}

describe('usage', () => {
  test.each([
    { args: ['nonsense'] },
    { args: ['status', '--nonsense'] },
    { args: ['enqueue'] },
    { args: ['logs', '-n', 'x'] },
    { args: ['logs', '-n', '0'] },
    { args: ['uninstall', '--home', ''] },
  ])('$args is wrong usage', async ({ args }) => {
    const { code, stdout, stderr } = await cli(args)
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toContain('error:')
  })

  test.each([
    { args: ['completion', 'tcsh'] },
    { args: ['jobs', 'explode', 'x'] },
    { args: ['jobs', 'cancel'] },
    { args: ['worktrees', 'restore', 'j', '--n', '0'] },
    { args: ['db'] },
    { args: [] },
  ])('$args is wrong usage', async ({ args }) => {
    expect((await cli(args)).code).toBe(2)
  })

  test.each([
    { args: ['--bogus'], error: "unknown option '--bogus'" },
    { args: ['extra'], error: "too many arguments: 'extra'" },
    { args: ['--home', '/nowhere', 'extra'], error: "too many arguments: 'extra'" },
    { args: ['--home'], error: "option '--home <dir>' argument missing" },
    { args: ['--home', ''], error: "option '--home <dir>' argument '' is invalid" },
    { args: ['--home='], error: "option '--home <dir>' argument '' is invalid" },
  ])('mcp $args is wrong usage by either name of the shim', async ({ args, error }) => {
    for (const command of [[MAIN, 'mcp'], [SHIM]]) {
      const child = spawnSync(process.execPath, [...command, ...args], { encoding: 'utf8', input: '' })
      expect(child).toMatchObject({ status: 2, stdout: '' })
      expect(child.stderr).toMatch(new RegExp(`^error: ${error}`))
    }
  })

  test('a mistyped subcommand is named, with those there are', async () => {
    for (const args of [
      ['jobs', 'foo'],
      ['worktrees', 'foo', 'x'],
      ['help', 'jobs', 'foo'],
    ]) {
      const { code, stderr } = await cli(args)
      expect(code).toBe(2)
      expect(stderr).toMatch(/unknown command 'foo' \(there are (cancel|restore)/)
    }
  })

  test('help of a subcommand is its own', async () => {
    const help = await cli(['help', 'worktrees', 'drop'])
    expect(help.code).toBe(0)
    expect(help.stdout).toContain('worktrees drop [options] <job-id>')
    expect((await cli(['db', 'dump', '--help'])).stdout).toContain('scrum4me-<UTC time>.sql')
  })

  test('help and version are no failure', async () => {
    expect(await cli(['--version'])).toMatchObject({ code: 0, stderr: '' })
    const help = await cli(['--help'])
    expect(help.code).toBe(0)
    for (const command of ['run', 'mcp', 'status', 'doctor', 'install', 'worktrees', 'db', 'completion']) {
      expect(help.stdout).toContain(`\n  ${command}`)
    }
    expect((await cli(['jobs', 'cancel', '--help'])).code).toBe(0)
    const version = spawnSync(process.execPath, [SHIM, '--version'], { encoding: 'utf8', input: '' })
    expect(version).toMatchObject({ status: 0, stdout: `${VERSION}\n`, stderr: '' })
    const shim = spawnSync(process.execPath, [SHIM, '--help'], { encoding: 'utf8', input: '' })
    expect(shim).toMatchObject({ status: 0, stdout: expect.stringContaining('Usage: scrum4me-mcp') })
  })
})

describe('without a daemon', () => {
  test.each([
    { args: ['jobs'] },
    { args: ['jobs', 'cancel', 'x', '--json'] },
    { args: ['jobs', 'release', 'x'] },
    { args: ['jobs', 'requeue', 'x'] },
    { args: ['enqueue', 'T-1'] },
    { args: ['init'] },
    { args: ['questions'] },
    { args: ['answer', 'q', 'some', 'words'] },
    { args: ['pause'] },
    { args: ['resume'] },
    { args: ['worktrees'] },
    { args: ['worktrees', 'restore', 'j'] },
    { args: ['worktrees', 'drop', 'j'] },
    { args: ['db', 'url'] },
    { args: ['db', 'migrate'] },
    { args: ['db', 'dump'] },
    { args: ['db', 'dump', '-'] },
  ])('$args says how to start it, exit 3', async ({ args }) => {
    const { code, stdout, stderr } = await cli(args)
    expect(code).toBe(3)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/^DAEMON_UNREACHABLE: /)
    expect(stderr).toContain(`scrum4me-daemon start --home ${home}`)
  })

  test('status says so, exit 3, as one document with --json', async () => {
    const text = await cli(['status'])
    expect(text.code).toBe(3)
    expect(text.stdout).toContain('not running')
    expect(text.stdout).toContain('scrum4me-daemon start')
    const { code, stdout, stderr } = await cli(['status', '--json'])
    expect(code).toBe(3)
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toEqual({
      state: 'stopped',
      problems: [expect.objectContaining({ code: 'NOT_RUNNING' })],
      daemon: null,
      presence: null,
      database: null,
      sessions: [],
      jobs: [],
      worktrees: null,
      queue: null,
    })
  })

  test('status and doctor report also of a home that is none', async () => {
    const file = join(directory, 'home-is-a-file')
    await writeFile(file, '')
    for (const at of [file, join(file, 'below')]) {
      const { code, stdout, stderr } = await cli(['status', '--json', '--home', at])
      expect([code, stderr]).toEqual([3, ''])
      const { state, problems } = JSON.parse(stdout)
      expect(state).toBe('stopped')
      expect(problems).toEqual([
        expect.objectContaining({
          code: expect.stringMatching(/^(PERMISSION_DENIED|VALIDATION_ERROR)$/),
          message: expect.stringContaining(file),
        }),
      ])
      const doctor = await cli(['doctor', '--json', '--home', at])
      expect([doctor.code, doctor.stderr]).toEqual([1, ''])
      const { checks } = JSON.parse(doctor.stdout)
      const stateOf = (name: string) => checks.find((check: { name: string }) => check.name === name)?.state
      expect([stateOf('home'), stateOf('git')]).toEqual(['fail', 'ok'])
      const run = await cli(['run', '--home', at])
      expect(run.stderr).toMatch(/--home or SCRUM4ME_HOME/)
    }
  })

  test('doctor tells space in units that fit it', async () => {
    const env = { SCRUM4ME_MIN_FREE_DISK_BYTES: String(2 ** 52) }
    const { checks } = JSON.parse((await cli(['doctor', '--json'], env)).stdout)
    const disk = checks.find((check: { name: string }) => check.name === 'disk (home)')
    expect(disk.message).toMatch(/ [KMGT]iB free, below the floor of 4096 TiB: /)
  })

  test('stop is no failure', async () => {
    expect(await cli(['stop'])).toMatchObject({ code: 0, stdout: 'No daemon was running.\n' })
  })

  test.each([
    'run',
    'logs',
  ])('%s that cannot be looked at is not taken for one that is not there', async (name) => {
    const other = join(directory, `unreadable-${name}`)
    await mkdir(other)
    await symlink(name, join(other, name))
    const { code, stdout, stderr } = await cli([name === 'run' ? 'stop' : 'logs', '--home', other])
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/^VALIDATION_ERROR: .*ELOOP/)
  })

  test('config shows what a start from here would use, --home included', async () => {
    const { code, stdout, stderr } = await cli(['config', '--json', '--home', join(directory, 'other')], {
      SCRUM4ME_TOKEN: 'secret-token-123',
      DATABASE_URL: 'postgresql://u:hunter22@h/d',
    })
    expect(code).toBe(0)
    expect(JSON.parse(stdout).settings).toContainEqual({
      name: 'SCRUM4ME_HOME',
      value: join(directory, 'other'),
      source: '--home',
    })
    expect(stdout + stderr).not.toMatch(/secret-token-123|hunter22/)
  })

  test('a wrong configuration is shown whole, the faults beside the values, without its secrets', async () => {
    const env = { SCRUM4ME_TOKEN: 'secret token', SCRUM4ME_LEASE_SECONDS: '-1' }
    const { code, stdout, stderr } = await cli(['config'], env)
    expect(code).toBe(1)
    expect(stdout).toMatch(/SCRUM4ME_LEASE_SECONDS +-1 +environment +✗ expected an integer/)
    expect(stdout).toMatch(/SCRUM4ME_TOKEN +\*\*\* +environment +✗ expected an API token/)
    expect(stdout).toMatch(/SCRUM4ME_HEARTBEAT_SECONDS +5 +default/)
    expect(stderr).toContain('SCRUM4ME_TOKEN: expected')
    expect(stderr).toContain('SCRUM4ME_LEASE_SECONDS: expected')
    expect(stdout + stderr).not.toContain('secret token')
    const json = await cli(['config', '--json'], env)
    expect(json).toMatchObject({ code: 1, stderr: '' })
    const { settings, faults } = JSON.parse(json.stdout)
    expect(settings).toContainEqual(
      expect.objectContaining({ name: 'SCRUM4ME_LEASE_SECONDS', value: '-1', fault: expect.any(String) }),
    )
    expect(faults.map((fault: { name: string }) => fault.name).sort()).toEqual([
      'SCRUM4ME_LEASE_SECONDS',
      'SCRUM4ME_TOKEN',
    ])
  })

  test('a name in daemon.env that means nothing is listed as ignored, its value unseen', async () => {
    const other = join(directory, 'misspelt')
    await mkdir(other, { mode: 0o700 })
    await writeFile(join(other, 'daemon.env'), 'SCRUM4ME_TOKN=hush-hush-1234\n', { mode: 0o600 })
    const { code, stdout } = await cli(['config', '--home', other])
    expect(code).toBe(0)
    expect(stdout).toMatch(/SCRUM4ME_TOKN .*ignored.*daemon\.env +! not known/)
    expect(stdout).not.toContain('hush-hush')
  })

  test.each(['start', 'run'])('%s with a home where none can be says which and why', async (command) => {
    const file = join(directory, 'a-file')
    await writeFile(file, '')
    const { code, stderr } = await cli([command, '--home', join(file, 'home')])
    expect(code).not.toBe(0)
    expect(stderr).toContain(file)
    expect(stderr).toContain('ENOTDIR')
    expect(stderr).not.toMatch(/INTERNAL|defect/)
  })

  test('a path that the file system refuses is no defect', () => {
    const refused = Object.assign(new Error("EROFS: read-only file system, mkdir '/ro/x'"), {
      ...{ code: 'EROFS', path: '/ro/x', syscall: 'mkdir' },
    })
    expect(toDaemonError(refused).text).toBe(
      'PERMISSION_DENIED: /ro/x: the file system is read-only (EROFS, mkdir). Make it writable, or name another path.',
    )
    // A failed write names no path.
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), {
      ...{ code: 'ENOSPC', syscall: 'write' },
    })
    expect(toDaemonError(full).text).toBe(
      'DISK_LOW: A file could not be written: no space is left on the device (ENOSPC, write). Free some space on that file system and try again.',
    )
    expect(toDaemonError(new TypeError('x')).code).toBe('INTERNAL')
    expect(toDaemonError(Object.assign(new Error('x'), { code: 'EACCES' })).code).toBe('INTERNAL')
  })

  test('start tells of no log where none was opened', async () => {
    const { code, stderr } = await cli(['start', '--home', join(directory, 'no-log')], {
      SCRUM4ME_LEASE_SECONDS: 'soon',
    })
    expect(code).toBe(1)
    expect(stderr).toMatch(
      /SCRUM4ME_LEASE_SECONDS: expected(.|\n)*\nThe daemon ended at once, exit code 78\.\n$/,
    )
  })

  test.each(['start', 'stop', 'jobs', 'run'])('%s takes no place from where it stands', async (command) => {
    for (const env of [{ SCRUM4ME_HOME: 'q' }, { SCRUM4ME_SOCKET: 'q/x.sock' }]) {
      const { code, stderr } = await cli([command], env)
      expect(code).toBe(command === 'run' ? 78 : 1)
      expect(stderr).toMatch(new RegExp(`^VALIDATION_ERROR: (.|\\n)*${Object.keys(env)[0]}.*absolute path`))
    }
  })

  test('run with a wrong configuration exits 78 and creates nothing', async () => {
    const { code, stderr } = await cli(['run'], { SCRUM4ME_PRESENCE: 'always' })
    expect(code).toBe(78)
    expect(stderr).toContain('SCRUM4ME_PRESENCE')
    expect(stderr).toContain(`\`scrum4me-daemon config --home ${home}\``)
    await expect(import('node:fs/promises').then((fs) => fs.stat(home))).rejects.toThrow('ENOENT')
  })
})

test.runIf(process.platform === 'linux')(
  'output that is lost is a failure; a reader that has seen enough is none',
  () => {
    const shell = (line: string) =>
      spawnSync('bash', ['-c', `set -o pipefail; ${line}`, process.execPath], {
        cwd: directory,
        env: {
          PATH: process.env.PATH,
          HOME: directory,
          SCRUM4ME_HOME: home,
          MAIN: join(process.cwd(), 'dist/daemon/main.js'),
        },
        encoding: 'utf8',
      })
    for (const command of ['--version', 'completion bash', 'config --json', 'mcp-config']) {
      const { status, stderr } = shell(`"$0" "$MAIN" ${command} >/dev/full`)
      expect([command, status]).toEqual([command, 1])
      expect(stderr).toMatch(/^(No daemon.*\n)?The output could not be written: ENOSPC.*\n$/)
    }
    // Its exit code says what it found.
    expect(shell('"$0" "$MAIN" status >/dev/full').status).toBe(3)
    expect(shell('"$0" "$MAIN" completion bash | true')).toMatchObject({ status: 0, stderr: '' })
  },
)

test('what an error or a check tells to run is of this home', async () => {
  const login = await cli(['login'], {}, 'not a url\ntoken-12345678\n')
  expect(login.stderr).toContain(`\`scrum4me-daemon login --home ${home}\``)
  const { faults } = JSON.parse((await cli(['config', '--json'], { DATABASE_URL: 'none' })).stdout)
  expect(faults[0].remedy).toContain(`\`scrum4me-daemon login --home ${home}\``)
  const { checks } = JSON.parse((await cli(['doctor', '--json'])).stdout)
  expect(JSON.stringify(checks)).toContain(`\`scrum4me-daemon init --home ${home}\``)
  expect(JSON.stringify(checks)).not.toMatch(/`scrum4me-daemon (?![^`]*--home)/)
})

describe('mcp-config', () => {
  test('carries --home when it is not the default, and no secret', async () => {
    const env = {
      SCRUM4ME_TOKEN: 'secret-token-123',
      DATABASE_URL: 'postgresql://u:hunter22@h/d',
      SCRUM4ME_AGENT_WORKTREE_DIR: join(directory, 'trees'),
    }
    const { code, stdout } = await cli(['mcp-config'], env)
    expect(code).toBe(0)
    expect(stdout).toContain('claude mcp add --scope user scrum4me -- ')
    expect(stdout).toContain(`--home ${home}`)
    expect(stdout).toContain('additionalDirectories')
    expect(stdout).not.toMatch(/secret-token-123|hunter22/)
    const json = JSON.parse((await cli(['mcp-config', '--json'], env)).stdout)
    expect(json.mcp_json.mcpServers.scrum4me.args.slice(-2)).toEqual(['--home', home])
    expect(json.settings_json.permissions.additionalDirectories).toEqual([join(directory, 'trees')])
    expect(json.mcp_json.mcpServers.scrum4me).not.toHaveProperty('env')
  })

  test('carries a socket that is not the home’s', async () => {
    const socket = join(directory, 'so cket')
    const { stdout } = await cli(['mcp-config', '--json'], { SCRUM4ME_SOCKET: socket })
    const { command, mcp_json } = JSON.parse(stdout)
    expect(command).toContain(` scrum4me -e 'SCRUM4ME_SOCKET=${socket}' -- `)
    expect(mcp_json.mcpServers.scrum4me.env).toEqual({ SCRUM4ME_SOCKET: socket })
  })

  test('a service would not have such a socket: install refuses', async () => {
    const { code, stderr } = await cli(['install'], { SCRUM4ME_SOCKET: join(directory, 'other.sock') })
    expect({ code, stderr }).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^VALIDATION_ERROR: SCRUM4ME_SOCKET=/),
    })
  })
})

describe('login', () => {
  test('asks for both, checks the shape, and saves nothing it could not check', async () => {
    expect(await cli(['login'], {}, '')).toMatchObject({ code: 1 })
    expect(await cli(['login'], {}, 'not a url\ntoken-12345678\n')).toMatchObject({ code: 1 })
    const unreachable = await cli(
      ['login'],
      {},
      'DATABASE_URL=postgresql://u:hunter22@127.0.0.1:1/d\nSCRUM4ME_TOKEN=token-12345678\n',
    )
    expect(unreachable.code).toBe(1)
    expect(unreachable.stderr).toContain('DATABASE_UNAVAILABLE')
    expect(unreachable.stderr).not.toMatch(/hunter22|token-12345678/)
    await expect(import('node:fs/promises').then((fs) => fs.stat(home))).rejects.toThrow('ENOENT')
  })
})

test('a daemon that does not answer is another exit code than none', () => {
  const silent = (failure: 'not_running' | 'not_answering') =>
    exitCodeOf(new ControlError(failure, 'DAEMON_UNREACHABLE', 'x', 'y'))
  expect([silent('not_running'), silent('not_answering')]).toEqual([3, 4])
})

test('control characters of a foreign answer do not reach the terminal', async () => {
  await writeFile(join(directory, 'ignored'), '')
  const { stderr } = await cli(['config'], { SCRUM4ME_PRESENCE: '\u001b[2Jx' })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is the point
  expect(stderr).not.toMatch(/\u001b/)
})
