import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { delay } from '../../daemon/lifecycle/delay.ts'
import { Supervisor } from '../../daemon/lifecycle/supervisor.ts'
import { until } from '../support/until.ts'

const MODULE = new URL('../../dist/compiled/daemon/lifecycle/stall-watchdog.js', import.meta.url).href

let directory: string
const children: ChildProcess[] = []

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 's4m-watchdog-'))
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const pid of await pids()) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // Gone already.
    }
  }
  await rm(directory, { recursive: true, force: true })
})

/** Every process of the program notes its pid first. */
async function pids(): Promise<number[]> {
  const text = await readFile(join(directory, 'pids'), 'utf8').catch(() => '')
  return text.trim().split('\n').filter(Boolean).map(Number)
}

/** A program with the watchdog that feeds it, hangs on SIGUSR2, and on SIGHUP until the file `go` is there. */
async function program(options: {
  respawn: boolean
  stallMs?: number
}): Promise<{ child: ChildProcess; stderr: () => string }> {
  const file = join(directory, 'program.mjs')
  await writeFile(
    file,
    `import { appendFileSync, existsSync } from 'node:fs'
     const { StallWatchdog } = await import(${JSON.stringify(MODULE)})
     const watchdog = new StallWatchdog({
       stallMs: ${options.stallMs ?? 500}, respawn: ${options.respawn}, markFile: ${JSON.stringify(join(directory, 'stalled'))}, markMs: 200
     })
     process.on('SIGHUP', () => { while (!existsSync(${JSON.stringify(join(directory, 'go'))})); })
     process.on('SIGUSR2', () => { for (;;); })
     await watchdog.start()
     watchdog.feed()
     setInterval(() => watchdog.feed(), 50)
     appendFileSync(${JSON.stringify(join(directory, 'pids'))}, process.pid + '\\n')`,
  )
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'ignore', 'pipe'] })
  children.push(child)
  let text = ''
  child.stderr.on('data', (data) => {
    text += data
  })
  await until('it runs', async () => (await pids()).length === 1)
  return { child, stderr: () => text }
}

describe('a watchdog of our own', () => {
  test('ends a process whose event loop hangs, and says why', async () => {
    const { child, stderr } = await program({ respawn: false })
    const ended = new Promise((resolve) => child.on('exit', (_code, signal) => resolve(signal)))
    child.kill('SIGUSR2')
    expect(await ended).toBe('SIGKILL')
    await until('the reason', () => stderr().includes('the event loop has not turned'))
  })

  test('a stall that passes is marked while it lasts', async () => {
    const { child } = await program({ respawn: false, stallMs: 60_000 })
    const mark = () => readFile(join(directory, 'stalled'), 'utf8').catch(() => '')
    child.kill('SIGHUP')
    await until('the mark', async () => (await mark()) === `${child.pid}\n`)
    await writeFile(join(directory, 'go'), '')
    await until('no mark', async () => (await mark()) === '')
    expect(child.exitCode ?? child.signalCode).toBeNull()
  })

  test('a process that was suspended for long is not one that hangs', async () => {
    const { child } = await program({ respawn: false })
    child.kill('SIGSTOP')
    // Three times the limit: what is shown is that nothing happens, and only time can show that.
    await delay(1_500)
    child.kill('SIGCONT')
    await delay(700)
    expect(child.exitCode ?? child.signalCode).toBeNull()
  })

  test('where nobody else would, it starts the same command again', async () => {
    const { child } = await program({ respawn: true })
    child.kill('SIGUSR2')
    await until('a second process', async () => (await pids()).length === 2)
    expect(new Set(await pids()).size).toBe(2)
  })
})

describe('supervisor', () => {
  test('takes what concerns it out of the environment, and knows whom it serves', () => {
    const env = {
      NOTIFY_SOCKET: '/nowhere',
      WATCHDOG_USEC: '30000000',
      WATCHDOG_PID: '1',
      LISTEN_FDS: '1',
      A: 'b',
    }
    expect(new Supervisor(env).kind).toBe('systemd')
    expect(env).toEqual({ A: 'b' })
    expect(new Supervisor({ XPC_SERVICE_NAME: 'com.scrum4me.daemon' }).kind).toBe('launchd')
    expect(new Supervisor({ XPC_SERVICE_NAME: 'application.com.apple.Terminal' }).kind).toBe('none')
  })

  test('messages go out in order, the watchdog is fed a third of its limit apart, a status once', async () => {
    const bin = join(directory, 'systemd-notify')
    const log = join(directory, 'log')
    await writeFile(bin, `#!/bin/sh\necho "$NOTIFY_SOCKET $2" >> ${log}\n`, { mode: 0o755 })
    let now = 0
    const env = { NOTIFY_SOCKET: '/s', WATCHDOG_USEC: '3000000', PATH: `${directory}:/usr/bin:/bin` }
    const supervisor = new Supervisor(env, () => now)
    void supervisor.notifyReady()
    for (now = 0; now < 3_000; now += 100) supervisor.feedWatchdog()
    void supervisor.notifyStatus('a\nb')
    void supervisor.notifyStatus('a b')
    await supervisor.notifyStopping()
    const lines = (await readFile(log, 'utf8')).trim().split('\n')
    expect(lines).toEqual([
      '/s READY=1',
      '/s WATCHDOG=1',
      '/s WATCHDOG=1',
      '/s WATCHDOG=1',
      '/s STATUS=a b',
      '/s STOPPING=1',
    ])
  })

  test('a supervisor that cannot be reached is no failure', async () => {
    const supervisor = new Supervisor({ NOTIFY_SOCKET: '/nowhere/at/all', PATH: directory })
    await supervisor.notifyReady()
    await supervisor.notifyStopping()
  })
})
