import { spawnSync } from 'node:child_process'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { commandLine } from './command-line.ts'

const { cli, directory, home } = commandLine()

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
  expect(stderr).toContain(`scrum4me-daemon start --home ${home()}`)
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

test('doctor tells space in units that fit it', async () => {
  const env = { SCRUM4ME_MIN_FREE_DISK_BYTES: String(2 ** 52) }
  const { checks } = JSON.parse((await cli(['doctor', '--json'], env)).stdout)
  const disk = checks.find((check: { name: string }) => check.name === 'disk (home)')
  expect(disk.message).toMatch(/ [KMGT]iB free, below the floor of 4096 TiB: /)
})

test.each([
  ['git version 2.30.9', 'fail'],
  ['git version 2.34.1', 'warn'],
  ['git version 2.39.5', 'ok'],
  ['git version 2.55.0 (Apple Git-170)', 'ok'],
  ['git version 3.0.0', 'ok'],
])('doctor knows which git is too old: %s', async (version, state) => {
  const bin = await mkdtemp(join(directory(), 'bin-'))
  await writeFile(join(bin, 'git'), `#!/bin/sh\necho '${version}'\n`, { mode: 0o755 })
  const { checks } = JSON.parse((await cli(['doctor', '--json'], { PATH: `${bin}:/bin` })).stdout)
  expect(checks.find((check: { name: string }) => check.name === 'git')).toMatchObject({ state })
})

test('stop is no failure', async () => {
  expect(await cli(['stop'])).toMatchObject({ code: 0, stdout: 'No daemon was running.\n' })
})

test.runIf(process.platform === 'linux')(
  'output that is lost is a failure; a reader that has seen enough is none',
  () => {
    const shell = (line: string) =>
      spawnSync('bash', ['-c', `set -o pipefail; ${line}`, process.execPath], {
        cwd: directory(),
        env: {
          PATH: process.env.PATH,
          HOME: directory(),
          SCRUM4ME_HOME: home(),
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
  expect(login.stderr).toContain(`\`scrum4me-daemon login --home ${home()}\``)
  const { faults } = JSON.parse((await cli(['config', '--json'], { DATABASE_URL: 'none' })).stdout)
  expect(faults[0].remedy).toContain(`\`scrum4me-daemon login --home ${home()}\``)
  const { checks } = JSON.parse((await cli(['doctor', '--json'])).stdout)
  expect(JSON.stringify(checks)).toContain(`\`scrum4me-daemon init --home ${home()}\``)
  expect(JSON.stringify(checks)).not.toMatch(/`scrum4me-daemon (?![^`]*--home)/)
})
