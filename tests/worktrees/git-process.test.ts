import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { takeKernelLock } from '../../daemon/lock/kernel-lock.ts'
import { Git } from '../../daemon/worktrees/git/git.ts'
import { GitError } from '../../daemon/worktrees/git/git-error.ts'
import { GitProcess } from '../../daemon/worktrees/git/git-process.ts'
import { MAIN } from '../support/installation.ts'
import { isAlive } from '../support/is-alive.ts'
import { until } from '../support/until.ts'

const DIST = join(import.meta.dirname, '../../dist/compiled/daemon/worktrees/git')
const program = join(dirname(MAIN), 'git-main.js')
/** Four of them without an answer end it, and a process that starts on a busy machine answers nothing yet. ms */
const PING_MS = 1_000

let dir: string
let apart: GitProcess
let git: Git

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 's4m-git-'))
  const env = { PATH: process.env.PATH, HOME: dir, SCRUM4ME_TOKEN: 'secret', DATABASE_URL: 'secret' }
  apart = new GitProcess({ env, program, pingMs: PING_MS })
  git = new Git({ env, apart })
  execFileSync('git', ['init', '--quiet', dir])
})

afterEach(() => {
  apart.stop()
  rmSync(dir, { recursive: true })
})

/** A command that runs until it is ended, with a child that writes its pid. */
function endless(signal?: AbortSignal): Promise<unknown> {
  const alias = `alias.endless=!echo $$ > ${join(dir, 'pid')}; exec sleep 600`
  return git.run({ dir, config: [alias], ...(signal === undefined ? {} : { signal }) }, 'endless')
}

async function childPid(): Promise<number> {
  const file = join(dir, 'pid')
  await until('the command runs', () => existsSync(file) && readFileSync(file, 'utf8').trim() !== '')
  return Number(readFileSync(file, 'utf8'))
}

it('answers as git itself does: text, bytes both ways, exit codes that are answers', async () => {
  const bytes = Buffer.from([0, 255, 10, 13, 0, 128])
  const { stdout } = await git.run({ dir, input: bytes }, 'hash-object', '-w', '--stdin')
  const id = stdout.toString().trim()
  expect((await git.run({ dir }, 'cat-file', 'blob', id)).stdout.equals(bytes)).toBe(true)
  expect(await git.ask({ dir }, 'rev-parse', '--show-toplevel')).toContain(dir)
  expect((await git.run({ dir, expect: [0, 1] }, 'config', 'no.such')).code).toBe(1)
})

it('fails as git itself does', async () => {
  const failure = await git.run({ dir }, 'rev-parse', 'HEAD^{commit}').catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(GitError)
  expect(failure).toMatchObject({ command: 'rev-parse', exitCode: 128, why: 'failed' })
  await expect(git.ask({ dir: join(dir, 'absent') }, 'status')).rejects.toThrow(/cannot change to/)
})

it('runs a program beside git: bytes both ways, exit code, deadline; and calls it off', async () => {
  const sh = (script: string, more = {}) =>
    git.child({
      command: 'sh',
      args: ['-c', script],
      cwd: dir,
      env: { PATH: '/usr/bin:/bin' },
      deadlineMs: 60_000,
      ...more,
    })
  const bytes = Buffer.from([0, 255, 10])
  const told = await sh('cat; pwd >&2; echo $PPID >&2; exit 3', { input: bytes })
  expect(told).toMatchObject({ code: 3, stderr: `${dir}\n${apart.pid}\n`, ended: 'by-itself' })
  expect(told.stdout.equals(bytes)).toBe(true)
  expect(await sh('exec sleep 600', { deadlineMs: 200 })).toMatchObject({ code: null, ended: 'deadline' })
  const stop = new AbortController()
  const stopped = sh(`echo $$ > ${join(dir, 'pid')}; exec sleep 600`, { signal: stop.signal })
  const pid = await childPid()
  stop.abort()
  expect(await stopped).toMatchObject({ code: null, ended: 'aborted' })
  expect(isAlive(pid)).toBe(false)
})

it('runs many commands at once and gives each its own answer', async () => {
  const asked = Array.from({ length: 60 }, async (_, n) => {
    const { stdout } = await git.run({ dir, input: `${n}` }, 'stripspace')
    return Number(stdout)
  })
  expect(await Promise.all(asked)).toEqual(Array.from({ length: 60 }, (_, n) => n))
})

it('shows its children and itself none of our secrets', async () => {
  await git.ask({ dir }, 'rev-parse', '--show-toplevel')
  if (process.platform === 'linux')
    expect(readFileSync(`/proc/${apart.pid}/environ`, 'utf8')).not.toContain('secret')
  const { stdout } = await git.run({ dir, config: ['alias.environment=!env'] }, 'environment')
  expect(stdout.toString()).toContain('PATH=')
  expect(stdout.toString()).not.toMatch(/secret|NODE_CHANNEL/)
})

it('calls off a command together with its children', async () => {
  const stop = new AbortController()
  const ended = endless(stop.signal).catch((error: unknown) => error)
  const pid = await childPid()
  stop.abort()
  expect(await ended).toMatchObject({ why: 'aborted' })
  await until('its child is gone', () => !isAlive(pid))
  expect(await git.ask({ dir }, 'rev-parse', '--show-toplevel')).toContain(dir)
})

it('a process that is killed fails what it ran and takes it along, and the next command has a new one', async () => {
  const ended = endless().catch((error: unknown) => error)
  const pid = await childPid()
  // Its second answer comes after it told us whom it had started.
  await git.ask({ dir }, 'rev-parse', '--show-toplevel')
  const first = apart.pid
  process.kill(first ?? 0, 'SIGKILL')
  expect(await ended).toBeInstanceOf(GitError)
  await until('its command is gone too', () => !isAlive(pid))
  expect(await git.ask({ dir }, 'rev-parse', '--show-toplevel')).toContain(dir)
  expect(apart.pid).not.toBe(first)
})

it.skipIf(process.platform !== 'linux')(
  'a process that is killed while we hear nothing takes its command along all the same',
  async () => {
    await git.run({ dir }, 'rev-parse', '--show-toplevel')
    const children = `/proc/${apart.pid}/task/${apart.pid}/children`
    // What they become is told before it begins.
    await until('two shells wait', () => readFileSync(children, 'utf8').trim().split(' ').length === 2)
    const ended = endless().catch((error: unknown) => error)
    const file = join(dir, 'pid')
    // Not a turn of our event loop from here to the kill.
    while (!existsSync(file) || readFileSync(file, 'utf8').trim() === '') {}
    process.kill(apart.pid ?? 0, 'SIGKILL')
    expect(await ended).toBeInstanceOf(GitError)
    await until('its command is gone too', () => !isAlive(Number(readFileSync(file, 'utf8'))))
  },
)

it('holds a lock for us until it is released, or until it ends', async () => {
  const file = join(dir, 'a.lock')
  const lock = await git.lock(file)
  expect(await takeKernelLock(file)).toBeNull()
  expect(await lock?.isCurrent()).toBe(true)
  await lock?.release()
  const ours = await takeKernelLock(file, { waitSeconds: 5 })
  expect(await git.lock(file)).toBeNull()
  const waiting = git.lock(file, { waitSeconds: 20 })
  await ours?.release()
  const second = await waiting
  process.kill(apart.pid ?? 0, 'SIGKILL')
  await until('it is known to be lost', async () => (await second?.isCurrent()) === false)
  await second?.release()
  expect(await git.lock(file, { waitSeconds: 5 })).not.toBeNull()
})

it('waits for no lock any more once it is called off, and tells why one cannot be taken', async () => {
  const file = join(dir, 'a.lock')
  const ours = await takeKernelLock(file)
  const stop = new AbortController()
  const waiting = git.lock(file, { waitSeconds: 60, signal: stop.signal }).catch((error: unknown) => error)
  stop.abort()
  expect(await waiting).toBeInstanceOf(Error)
  await ours?.release()
  await expect(git.lock(join(dir, 'missing/a.lock'))).rejects.toMatchObject({ code: 'ENOENT' })
})

it('a process that dies while more is asked fails what it ran, whatever its successor does', async () => {
  for (let round = 0; round < 8; round += 1) {
    await git.ask({ dir }, 'rev-parse', '--show-toplevel')
    const pid = apart.pid ?? 0
    const outcome = () =>
      git.run({ dir }, 'rev-parse', '--show-toplevel').then(
        () => 'answered',
        (error: unknown) => (error instanceof GitError ? error.why : error),
      )
    const asked = Array.from({ length: 6 }, outcome)
    process.kill(pid, 'SIGKILL')
    // Asked at every moment of the end: with the channel open, closed, and the process gone.
    for (let n = 0; n < 40; n += 1) {
      await new Promise((resolve) => setTimeout(resolve, 0))
      if (n % 4 === 0) asked.push(outcome())
    }
    for (const ended of await Promise.all(asked)) expect(['answered', 'lost']).toContain(ended)
    expect(await git.ask({ dir }, 'rev-parse', '--show-toplevel')).toContain(dir)
  }
})

it('calls off what runs when the process that started it is gone', async () => {
  const script = join(dir, 'starter.mjs')
  const alias = `alias.endless=!echo $$ > ${join(dir, 'pid')}; exec sleep 600`
  writeFileSync(
    script,
    `import { GitProcess } from ${JSON.stringify(join(DIST, 'git-process.js'))}
     const apart = new GitProcess({ env: process.env })
     await apart.run({ dir: ${JSON.stringify(dir)}, config: [${JSON.stringify(alias)}] }, ['endless'])`,
  )
  const starter = spawn(process.execPath, [script], { stdio: 'ignore' })
  const pid = await childPid()
  starter.kill('SIGKILL')
  await until('its command is gone', () => !isAlive(pid))
})

it('a process that no longer answers is ended', async () => {
  await git.ask({ dir }, 'rev-parse', '--show-toplevel')
  process.kill(apart.pid ?? 0, 'SIGSTOP')
  await expect(git.ask({ dir }, 'rev-parse', '--show-toplevel')).rejects.toMatchObject({ why: 'lost' })
  expect(await git.ask({ dir }, 'rev-parse', '--show-toplevel')).toContain(dir)
})

it('ends with the process that started it, also one that was killed', async () => {
  const script = join(dir, 'starter.mjs')
  writeFileSync(
    script,
    `import { GitProcess } from ${JSON.stringify(join(DIST, 'git-process.js'))}
     const apart = new GitProcess({ env: process.env })
     await apart.ask({ dir: ${JSON.stringify(dir)} }, ['rev-parse', '--show-toplevel'])
     console.log(apart.pid)
     setInterval(() => undefined, 1000)`,
  )
  const starter = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(starter.stdout, 'data')
  const pid = Number(line)
  expect(isAlive(pid)).toBe(true)
  starter.kill('SIGKILL')
  await until('it is gone', () => !isAlive(pid))
})
