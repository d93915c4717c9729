import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { exitCodeOf } from '../../daemon/cli/exit.ts'
import { ControlError } from '../../daemon/ipc/control-client.ts'
import { VERSION } from '../../daemon/version.ts'
import { MAIN, SHIM } from '../support/installation.ts'
import { commandLine } from './command-line.ts'

const { cli } = commandLine()

test.each([
  { args: ['nonsense'] },
  { args: ['status', '--nonsense'] },
  { args: ['enqueue'] },
  { args: ['logs', '-n', 'x'] },
  { args: ['logs', '-n', '-1'] },
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

test('a daemon that does not answer is another exit code than none', () => {
  const silent = (failure: 'not_running' | 'not_answering') =>
    exitCodeOf(new ControlError(failure, 'DAEMON_UNREACHABLE', 'x', 'y'))
  expect([silent('not_running'), silent('not_answering')]).toEqual([3, 4])
})
