import { execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { runChild } from '../../../daemon/worktrees/git/run-child.ts'
import { WaitingShells } from '../../../daemon/worktrees/git/waiting-shells.ts'
import { isAlive } from '../../support/is-alive.ts'
import { until } from '../../support/until.ts'

const ENV = { PATH: process.env.PATH ?? '', KEPT: 'kept', GONE: 'gone', OTHER: 'before' }
let dir: string
let shells: WaitingShells

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 's4m-shells-'))
  shells = new WaitingShells(ENV)
})
afterEach(() => rm(dir, { recursive: true }))

/** Runs a command in a shell that waited for it; it did, or this waits until one does. */
async function inShell(command: string, args: readonly string[], env: Record<string, string> = ENV) {
  let became = false
  const watched = {
    become: (...call: Parameters<WaitingShells['become']>) => {
      const child = shells.become(...call)
      became = child !== undefined
      return child
    },
  }
  for (;;) {
    const result = await runChild({ command, args, cwd: '/', env, deadlineMs: 20_000, shells: watched })
    if (became) return result
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

it('gives a program its words, whatever is in them', { timeout: 60_000 }, async () => {
  const word = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 12 }).map((text) => text.replaceAll('\0', '')),
    fc.constantFrom("'", '"', '$HOME', '`id`', '\\', '\n', ' ', '', '-n', '*', '~', '!x', 'a\nexit 3\n', '#'),
  )
  const print = 'process.stdout.write(JSON.stringify(process.argv.slice(1)))'
  await fc.assert(
    fc.asyncProperty(fc.array(word, { maxLength: 4 }), async (words) => {
      const { stdout, code } = await inShell(process.execPath, ['-e', print, '--', ...words])
      // What is no text at all becomes the same replacement on every way into a program.
      const direct = execFileSync(process.execPath, ['-e', print, '--', ...words])
      expect([code, stdout.toString()]).toEqual([0, direct.toString()])
    }),
    { numRuns: 25 },
  )
})

it('gives it the environment that was asked for, and an empty stdin', async () => {
  const env = { PATH: ENV.PATH, KEPT: 'kept', OTHER: "it's\nafter", NEW: '$KEPT' }
  const { stdout } = await inShell(
    process.execPath,
    ['-e', 'process.stdout.write(JSON.stringify(process.env))'],
    env,
  )
  const got: unknown = JSON.parse(stdout.toString())
  expect(got).toMatchObject(env)
  expect(got).not.toHaveProperty('GONE')
  expect((await inShell('cat', [])).stdout.toString()).toBe('')
})

it('tells exit codes, stderr, and that there is no such program', async () => {
  expect(await inShell('sh', ['-c', 'echo no >&2; exit 3'])).toMatchObject({ code: 3, stderr: 'no\n' })
  await expect(inShell(join(dir, 'missing'), [])).rejects.toThrow(/not found|ENOENT/)
})

it('who it will be is told before it begins', async () => {
  await inShell('true', [])
  const file = join(dir, 'begun')
  let begunBefore: boolean | undefined
  const started = () => {
    // Time enough for it to begin, if it could.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
    begunBefore = existsSync(file)
  }
  await until('one waits', () => {
    const child = shells.become('touch', [file], ENV, started)
    return child !== undefined
  })
  expect(begunBefore).toBe(false)
  await until('it began', () => existsSync(file))
})

it('what it became is ended with its children', async () => {
  const stop = new AbortController()
  await inShell('true', [])
  const file = join(dir, 'pid')
  const child = shells.become('sh', ['-c', `sleep 600 & echo $! > ${file}; wait`], ENV)
  expect(child === undefined).toBe(false)
  const running = runChild({
    command: '',
    args: [],
    cwd: '/',
    env: ENV,
    deadlineMs: 20_000,
    signal: stop.signal,
    shells: { become: () => child },
  })
  const pid = await until(
    'it runs',
    async () => Number(await readFile(file, 'utf8').catch(() => '')) || false,
  )
  stop.abort()
  expect(await running).toMatchObject({ ended: 'aborted' })
  await until('its child is gone', () => !isAlive(pid))
})

it.skipIf(process.platform !== 'linux')(
  'shells that wait go with the process that they wait for, whatever ends it',
  async () => {
    const program = join(dir, 'holder.mjs')
    const source = join(import.meta.dirname, '../../../dist/compiled/daemon/worktrees/git/waiting-shells.js')
    await writeFile(
      program,
      `import { WaitingShells } from ${JSON.stringify(source)}
     const shells = new WaitingShells({ PATH: process.env.PATH, MARK: ${JSON.stringify(dir)} })
     shells.become('true', [], {})
     setInterval(() => undefined, 1000)`,
    )
    const holder = spawn(process.execPath, [program], { stdio: 'ignore' })
    const children = async () =>
      (await readFile(`/proc/${holder.pid}/task/${holder.pid}/children`, 'utf8').catch(() => ''))
        .split(' ')
        .flatMap((pid) => (pid === '' ? [] : [Number(pid)]))
    const waiting = await until('both wait', async () => {
      const pids = await children()
      return pids.length === 2 && pids
    })
    holder.kill('SIGKILL')
    await until('they are gone', () => !waiting.some(isAlive))
  },
)
