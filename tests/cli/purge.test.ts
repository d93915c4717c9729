import { lstat, mkdir, readdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { runCli } from '../../daemon/cli/program.ts'
import { checkIsHome, purge } from '../../daemon/cli/purge.ts'
import { exposedBase } from '../../daemon/db/embedded/installation.ts'
import { resolvePaths } from '../../daemon/paths.ts'
import type { StatusReport } from '../../daemon/wire/status-report.ts'
import { isDead, TestHome } from '../db/embedded/test-home.ts'
import { Installation } from '../support/installation.ts'
import { until } from '../support/until.ts'
import { spareReady } from '../worktrees/support/spare-ready.ts'
import { Workspace } from '../worktrees/support/workspace.ts'
import { fakeTerminal } from './terminal.ts'

const isThere = (path: string) =>
  lstat(path).then(
    () => true,
    () => false,
  )

describe('uninstall --purge', () => {
  let machine: Installation

  beforeEach(async () => {
    machine = await Installation.make()
    await machine.start(['healthy', 'degraded'])
  })
  afterEach(() => machine.remove())

  test('removes all of it with a server that outlived its daemon, and a second time finds nothing', async () => {
    await until('the database', async () => (await machine.status()).database?.state === 'up')
    const server = Number.parseInt(
      await readFile(join(machine.home, 'data', 'cluster', 'postmaster.pid'), 'utf8'),
      10,
    )
    await machine.end('SIGKILL')
    // A person at a terminal is told what goes, and asked.
    const asked = async (input: string, ...args: string[]) => {
      const terminal = fakeTerminal({ input, isTTY: true, isInteractive: true })
      const env = { ...machine.env }
      const code = await runCli(['uninstall', '--purge', ...args], { terminal, cwd: machine.dir, env })
      return { code, stdout: terminal.stdout, stderr: terminal.stderr }
    }
    for (const input of ['', 'y\n', 'no\n']) {
      const refused = await asked(input)
      expect(refused).toMatchObject({ code: 1, stderr: 'Nothing was removed.\n' })
      expect(refused.stdout).toContain(`removes ${machine.home} for good`)
      expect(refused.stdout).toMatch(/embedded database.*\n.*scrum4me-daemon db dump --home/)
      expect(await isThere(join(machine.home, 'data', 'cluster'))).toBe(true)
    }
    const agentConfig = join(machine.env.HOME ?? '', '.scrum4me-agent-config.json')
    await writeFile(agentConfig, '{}')
    const first = await asked('yes\n')
    expect(first).toMatchObject({ code: 0, stderr: '' })
    expect(first.stdout).toContain(`Removed ${machine.home}\n`)
    expect(first.stdout).toContain(`Kept ${agentConfig}, which names your clones`)
    expect(first.stdout).not.toContain('Left')
    expect(first.stdout).toContain('embedded database and all its data went with the home')
    expect(await isDead(server)).toBe(true)
    expect(await isThere(machine.home)).toBe(false)
    const second = await machine.cli('uninstall', '--purge')
    expect(second).toMatchObject({ code: 0, stdout: expect.stringContaining('There is no data') })
  })

  test('leaves what a person put there, and what links lead to, and says so', async () => {
    await until('the database', async () => (await machine.status()).database?.state === 'up')
    await machine.end()
    const state = join(machine.home, 'state')
    const space = new Workspace(machine.dir)
    await space.makeClone()
    const engine = space.engine({ spares: true, stateDir: state, parentDir: machine.worktreeDir })
    await engine.start()
    const job = await engine.create({ jobId: 'job-kept', repoRoot: space.clone })
    const spare = await spareReady(space, state)
    await engine.stop()
    const elsewhere = join(machine.dir, 'disk')
    const treasure = join(machine.dir, 'treasure')
    await mkdir(treasure)
    await writeFile(join(treasure, 'gold'), '')
    await rename(join(machine.home, 'data', 'cluster'), elsewhere)
    await symlink(elsewhere, join(machine.home, 'data', 'cluster'))
    await symlink(treasure, join(machine.home, 'state', 'treasure'))
    await symlink(treasure, join(machine.home, 'logs', 'treasure'))
    await writeFile(join(machine.home, 'notes.txt'), '')
    const { code, stdout } = await machine.cli('uninstall', '--purge')
    expect(code).toBe(0)
    expect(await readdir(treasure)).toEqual(['gold'])
    expect(await isThere(join(elsewhere, 'PG_VERSION'))).toBe(true)
    expect(await readdir(machine.home)).toEqual(['notes.txt'])
    expect(stdout).toContain(`Left ${elsewhere}`)
    expect(stdout).toContain(`Left ${machine.home}, because of notes.txt`)
    expect(stdout).toContain(`Removed ${state}\n`)
    // A spare is the daemon's own; a job's worktree may be all that is left of its work.
    expect(await readdir(machine.worktreeDir)).toEqual(['job-kept'])
    const registered = await space.git(space.clone, 'worktree', 'list')
    expect(registered).toContain(job.path)
    expect(registered).not.toContain(spare)
  })

  test('a directory that is no home of ours is not touched', async () => {
    const project = join(machine.dir, 'project')
    await mkdir(join(project, 'state'), { recursive: true })
    await mkdir(join(project, 'data'))
    const { code, stderr } = await machine.cli('uninstall', '--purge', '--home', project)
    expect(code).toBe(1)
    expect(stderr).toMatch(/^VALIDATION_ERROR: .*nothing was removed/)
    expect(await readdir(project)).toEqual(['data', 'state'])
  })
})

describe('purge', () => {
  test('of a home with a long path removes its short directories, too', async () => {
    const machine = await Installation.make()
    try {
      const home = join(machine.dir, 'long'.repeat(30))
      const paths = resolvePaths({}, { home })
      const short = [dirname(paths.socket), dirname(paths.pgSocketDir)]
      expect(short[0]).toMatch(/^\/tmp\/scrum4me-/)
      expect(await machine.cli('start', '--home', home)).toMatchObject({ code: 0 })
      for (const directory of short) expect((await stat(directory)).isDirectory()).toBe(true)
      const { daemon } = await machine.json<StatusReport>('status', '--home', home)
      expect(await machine.cli('uninstall', '--purge', '--home', home)).toMatchObject({
        code: 0,
        stdout: expect.stringContaining(`Stopped the daemon (pid ${daemon?.pid}).`),
      })
      for (const path of [home, ...short]) expect(await isThere(path)).toBe(false)
    } finally {
      await machine.remove()
    }
  })

  test.skipIf(process.getuid?.() !== 0)(
    'where root has no user namespaces, removes what lies outside the home',
    async () => {
      const home = await TestHome.make()
      try {
        await home.server({ without: ['namespace', 'capability'] }).start()
        const base = exposedBase(home.paths.home)
        expect(await isThere(join(base, 'cluster', 'PG_VERSION'))).toBe(true)
        expect((await lstat(home.paths.pgSocketDir)).isSymbolicLink()).toBe(true)
        const server = await home.postmaster()
        await mkdir(home.paths.stateDir, { recursive: true })
        await writeFile(join(home.paths.stateDir, 'instance.json'), '{}')
        await checkIsHome(home.paths)
        const { removed, left } = await purge(home.paths)
        expect(removed).toEqual([base, home.paths.home])
        expect(left).toEqual([])
        expect(await isDead(server)).toBe(true)
        for (const path of removed) expect(await isThere(path)).toBe(false)
      } finally {
        await home.remove()
      }
    },
  )
})
