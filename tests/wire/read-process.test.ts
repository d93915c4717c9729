import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { parsePs, readProcess } from '../../daemon/wire/read-process.ts'
import { until } from '../support/until.ts'

test('knows this process, its parent and its command line', async () => {
  const own = await readProcess(process.pid)
  expect(own).toMatchObject({ pid: process.pid, parent: process.ppid })
  expect(own?.startedAt).toMatch(/\d/)
  expect(await readProcess(process.pid)).toEqual(own)
})

test.runIf(process.platform === 'linux')(
  'a process whose name looks like fields of its status is read right',
  async () => {
    const child = spawn('perl', ['-e', '$0 = "x) R 1 2 (y"; print "up\\n"; $| = 1; sleep 60'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    await until(
      'it runs',
      async () => (await readProcess(child.pid ?? 0))?.command[0]?.startsWith('x) R') ?? false,
    )
    expect(await readProcess(child.pid ?? 0)).toMatchObject({ parent: process.pid })
  },
)

test.runIf(process.platform === 'linux')('a dead process that nobody has reaped is gone', async () => {
  // perl starts a child that ends at once, and does not wait for it.
  const parent = spawn('perl', ['-e', '$| = 1; my $p = fork // die; exit 0 if !$p; print "$p\\n"; sleep 60'])
  onTestFinished(() => void parent.kill('SIGKILL'))
  const [line] = await once(parent.stdout, 'data')
  await until('the zombie is gone', async () => (await readProcess(Number(line))) === null)
})

test('no such process', async () => {
  expect(await readProcess(2 ** 22 + 1)).toBeNull()
})

// As macOS' ps writes them: stat 4 wide, ppid 5 to the right, lstart 28 to the left, then the command.
test("reads a line of macOS' ps", () => {
  const line = 'S+     512 Mon Nov  2 10:00:00 2026     /opt/homebrew/bin/node /x/cli.js --a b\n'
  expect(parsePs(7, line)).toEqual({
    pid: 7,
    parent: 512,
    startedAt: 'Mon Nov 2 10:00:00 2026',
    command: ['/opt/homebrew/bin/node', '/x/cli.js', '--a', 'b'],
    suspended: false,
  })
  expect(parsePs(7, 'SNs      1 Thu Jan 31 23:59:59 2030     -zsh\n')).toMatchObject({
    parent: 1,
    startedAt: 'Thu Jan 31 23:59:59 2030',
    command: ['-zsh'],
  })
  expect(parsePs(7, 'T    73004 Mon Nov  2 10:00:00 2026     node\n')?.suspended).toBe(true)
  expect(parsePs(7, 'Z      512 Mon Nov  2 10:00:00 2026     (node)\n')).toBeNull()
  expect(parsePs(7, '')).toBeNull()
})

// procps knows the same options, so what is asked of macOS' ps is tried here.
test('without /proc, ps tells the same of a process, in UTC whatever the time zone', async () => {
  const child = spawn('sleep', ['60'])
  onTestFinished(() => void child.kill('SIGKILL'))
  const told = () => readProcess(child.pid ?? 0, 'darwin')
  await until('it runs', async () => (await told())?.command[0] === 'sleep')
  const first = await told()
  expect(first).toMatchObject({ parent: process.pid, command: ['sleep', '60'], suspended: false })
  expect(Math.abs(Date.parse(`${first?.startedAt} UTC`) - Date.now())).toBeLessThan(60_000)
  expect(await told()).toEqual(first)
  child.kill('SIGSTOP')
  await until('it is stopped', async () => (await told())?.suspended === true)
  expect((await readProcess(child.pid ?? 0))?.suspended).toBe(true)
  child.kill('SIGKILL')
  await until('it is gone', async () => (await told()) === null)
})
