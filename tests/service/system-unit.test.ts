import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { Machine, type Result, whyNoMachine } from './machine.ts'

const why = await whyNoMachine()
if (why !== undefined) console.log(`Tests of the hardened system unit are skipped: ${why}`)
const UNIT = 'scrum4me-daemon.service'
const MAIN = '/opt/scrum4me/dist/daemon/main.js'
const SHIM = '/opt/scrum4me/dist/shim/main.js'

describe.skipIf(why !== undefined)('the hardened system unit under a real systemd', () => {
  let machine: Machine
  const asAlice = ['setpriv', '--reuid=4242', '--regid=4242', '--clear-groups']
  const env = {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    HOME: '/home/alice',
    NO_COLOR: '1',
    GIT_AUTHOR_NAME: 'Alice',
    GIT_AUTHOR_EMAIL: 'alice@example.invalid',
    GIT_COMMITTER_NAME: 'Alice',
    GIT_COMMITTER_EMAIL: 'alice@example.invalid',
  }

  beforeAll(async () => {
    machine = await Machine.boot()
    const readable = await alice(process.execPath, MAIN, '--version')
    if (readable.code !== 0) throw new Error(`alice cannot run the daemon: ${readable.stderr}`)
  })
  afterAll(() => machine?.halt())

  const alice = (...command: string[]): Promise<Result> => machine.run([...asAlice, ...command], env)
  const cli = (...args: string[]) => alice(process.execPath, MAIN, ...args)
  const root = (...args: string[]) =>
    machine.run([process.execPath, MAIN, ...args], { PATH: env.PATH, HOME: '/root' })

  async function healthy(): Promise<void> {
    let last = ''
    const look = async () => {
      last = (await cli('status')).stdout
      return last.includes(' healthy')
    }
    await until('healthy', look, 30_000).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${last}`)
    })
  }

  test('install --system runs it for the user, hardened, and it becomes healthy', async () => {
    expect(await root('install', '--system')).toMatchObject({ code: 1, stdout: '' })
    expect(await root('install', '--system', '--run-as', 'alice')).toMatchObject({ code: 0 })
    expect(await machine.property(UNIT, 'ActiveState')).toBe('active')
    expect(await machine.property(UNIT, 'User')).toBe('alice')
    await healthy()
    const security = await machine.run(['systemd-analyze', 'security', '--no-pager', '--threshold=20', UNIT])
    expect(security).toMatchObject({ code: 0 })
    // The user may look but not stop it: that is root's.
    const stop = await cli('stop')
    expect(stop.code).toBe(1)
    expect(stop.stderr).toContain(`sudo systemctl stop ${UNIT}`)
  })

  test('git works where it may write, and nowhere else', async () => {
    const git = async (...args: string[]) => {
      const { code, stderr } = await alice('git', ...args)
      if (code !== 0) throw new Error(stderr)
    }
    await git('init', '-q', '--bare', '-b', 'main', '/home/alice/origin.git')
    await git('clone', '-q', '/home/alice/origin.git', '/home/alice/project')
    await git('-C', '/home/alice/project', 'commit', '-q', '--allow-empty', '-m', 'first')
    await git('-C', '/home/alice/project', 'push', '-q', 'origin', 'HEAD:main')
    await git('init', '-q', '/home/alice/other')
    const made = await cli('init', '/home/alice/project', '--json')
    expect(made).toMatchObject({ code: 0 })
    // Known, but the unit was rendered before.
    const closed = JSON.parse((await cli('doctor', '--json')).stdout)
    const { product_id } = JSON.parse(made.stdout)
    expect(closed.checks).toContainEqual(
      expect.objectContaining({
        name: `clone ${product_id}`,
        state: 'fail',
        remedy: expect.stringContaining('install --system'),
      }),
    )
    expect(await root('install', '--system', '--run-as', 'alice')).toMatchObject({ code: 0 })
    await healthy()
    const open = JSON.parse((await cli('doctor', '--json')).stdout)
    expect(open.checks.filter((check: { state: string }) => check.state === 'fail')).toEqual([])

    const client = new Client({ name: 'test', version: '1' })
    const inside = await machine.command([...asAlice, process.execPath, SHIM])
    await client.connect(new StdioClientTransport({ ...inside, env }))
    const call = async (name: string, args: Record<string, unknown>) => {
      const result = await client.callTool({ name, arguments: args })
      if (result.isError === true) throw new Error(JSON.stringify(result.content))
      return JSON.parse(JSON.stringify(result.structuredContent))
    }
    try {
      const pbi = await call('create_pbi', { product_id, title: 'P', priority: 1 })
      const story = await call('create_story', { pbi_id: pbi.id, title: 'S', priority: 1 })
      const task = await call('create_task', { story_id: story.id, title: 'T', priority: 1 })
      expect(await cli('enqueue', task.id)).toMatchObject({ code: 0 })
      const job = await call('wait_for_job', { wait_seconds: 20 })
      expect(job).toMatchObject({
        status: 'claimed',
        worktree_path: expect.stringMatching(/^\/home\/alice\//),
      })
      const { stdout } = await alice('git', '-C', job.worktree_path, 'branch', '--show-current')
      expect(stdout.trim()).toBe(job.branch_name)
      expect(await call('update_job_status', { job_id: job.job_id, status: 'skipped' })).toMatchObject({
        worktree: 'removed',
      })
    } finally {
      await client.close()
    }
  })

  test('whoever restarts it, sessions hear of a restart: a waiting call goes on', async () => {
    const client = new Client({ name: 'test', version: '1' })
    const inside = await machine.command([...asAlice, process.execPath, SHIM])
    await client.connect(new StdioClientTransport({ ...inside, env }))
    const lastEnd = async () => {
      const { stdout } = await machine.run(['journalctl', '--unit', UNIT, '-o', 'cat', '--no-pager'])
      return stdout
        .split('\n')
        .filter((line) => line.includes('"msg":"stopping"'))
        .at(-1)
    }
    const waits = () =>
      until('it waits', async () => {
        const { sessions } = JSON.parse((await cli('status', '--json')).stdout)
        return sessions.some((session: { activity: string }) => session.activity === 'waiting')
      })
    const restarted = async (act: () => Promise<Result>) => {
      await waits()
      const before = await machine.mainPid(UNIT)
      expect(await act()).toMatchObject({ code: 0 })
      expect(await machine.mainPid(UNIT)).not.toBe(before)
      expect(await lastEnd()).toContain('"reason":"restart"')
    }
    try {
      const ended: unknown[] = []
      const note = (how: unknown) => ended.push(how)
      client.callTool({ name: 'wait_for_job', arguments: { wait_seconds: 60 } }).then(note, note)
      // The user may end the daemon and systemd starts it again; root's upgrade asks it first.
      await restarted(() => cli('restart'))
      const unit = join(machine.dir, 'etc', UNIT)
      await writeFile(unit, `${await readFile(unit, 'utf8')}\n# as of an older release\n`)
      await restarted(() => root('install', '--system', '--run-as', 'alice'))
      await waits()
      expect(ended).toEqual([])
    } finally {
      await client.close()
    }
  })

  test('uninstall removes the unit', async () => {
    const removed = await root('uninstall', '--system', '--run-as', 'alice')
    expect(removed).toMatchObject({ code: 0 })
    expect(await machine.property(UNIT, 'LoadState')).toBe('not-found')
    expect((await machine.processes()).filter((line) => line.includes('/home/alice'))).toEqual([])
    expect((await alice('ls', '/home/alice/.scrum4me/data')).code).toBe(0)
  })
})
