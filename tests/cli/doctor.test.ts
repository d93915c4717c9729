import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hasSystemd } from '../../daemon/cli/service/has-systemd.ts'
import { cloneWithOrigin, git } from '../support/git.ts'
import type { Installation } from '../support/installation.ts'
import { Scenario } from '../support/scenario.ts'
import { seed } from '../support/seed.ts'

let scenario: Scenario
let machine: Installation
let productId: string

beforeAll(async () => {
  const running = await Scenario.running()
  scenario = running.scenario
  machine = running.machine
  productId = running.product.id
})
afterAll(() => scenario.close())

test('looks from inside the daemon and finds all well', async () => {
  const { code, stdout } = await machine.cli('doctor', '--json')
  const { ok, checks } = JSON.parse(stdout)
  const failed = checks.filter((check: { state: string }) => check.state === 'fail')
  expect({ code, ok, failed }).toEqual({ code: 0, ok: true, failed: [] })
  const names = checks.map((check: { name: string }) => check.name)
  for (const name of [
    'daemon',
    'database',
    'token',
    'schema',
    'LISTEN',
    'git',
    'home',
    'disk (home)',
    'service',
  ]) {
    expect(names).toContain(name)
  }
  expect(names).toContain(`clone ${productId}`)
  // What it recommends must work on this machine.
  const service = checks.find((check: { name: string }) => check.name === 'service')
  const canInstall = process.platform === 'darwin' || (await hasSystemd())
  expect(service.message).toMatch(canInstall ? /`.*install.*` does/ : /no systemd here.*`.*run.*`/)
})

test('names a clone that cannot be fetched and one that is gone', async () => {
  const lost = await seed.product(scenario.db, { user_id: scenario.userId })
  const { clone } = await cloneWithOrigin(join(machine.dir, 'far'), 'far')
  await git(clone, 'remote', 'set-url', 'origin', '/nowhere/at/all.git')
  const { product_id } = await machine.json('init', clone)
  const file = join(machine.env.HOME ?? '', '.scrum4me-agent-config.json')
  const before = JSON.parse(await readFile(file, 'utf8'))
  await scenario.know(machine, { ...before.repoRoots, [lost.id]: '/gone/for/good' })
  const { code, stdout } = await machine.cli('doctor')
  await scenario.know(machine, before.repoRoots)
  expect(code).toBe(1)
  expect(stdout).toMatch(new RegExp(`! clone ${product_id} .*fetching from origin fails`))
  expect(stdout).toMatch(new RegExp(`✗ clone ${lost.id} .*no repository`))
})

test('status names a clone whose jobs begin from old commits, until origin answers again', async () => {
  const { clone, origin } = await cloneWithOrigin(join(machine.dir, 'away'), 'away')
  const { product_id } = await machine.json('init', clone)
  await git(clone, 'remote', 'set-url', 'origin', '/nowhere/at/all.git')
  await scenario.job(String(product_id))
  const agent = await machine.agent()
  const job = await agent.call('wait_for_job', { wait_seconds: 30 })
  expect(job).toMatchObject({ base_fetched: false, warnings: [expect.stringContaining('may be old')] })
  const { state, problems } = await machine.status()
  expect({ state, problems }).toMatchObject({
    // Work goes on: contract 5 makes do with the last fetched tip.
    state: 'healthy',
    problems: [{ code: 'FETCH_FAILED', message: expect.stringContaining(`origin of ${clone} `) }],
  })
  expect(problems[0]?.remedy).toContain(`\`scrum4me-daemon doctor --home ${machine.home}\``)
  await git(clone, 'remote', 'set-url', 'origin', origin)
  await machine.cli('doctor')
  expect((await machine.status()).problems).toEqual([])
  await agent.call('update_job_status', { job_id: job.job_id, status: 'skipped' })
  await agent.close()
})

test('doctor and init run no program that a clone’s configuration names', async () => {
  const { clone } = await cloneWithOrigin(join(machine.dir, 'hostile'), 'hostile')
  const canary = join(machine.dir, 'canary')
  const program = join(machine.dir, 'program.sh')
  await writeFile(program, `#!/bin/sh\necho "$0 $*" >> ${canary}\nexit 1\n`, { mode: 0o755 })
  for (const key of ['remote.origin.uploadpack', 'core.sshCommand', 'core.fsmonitor', 'credential.helper']) {
    await git(clone, 'config', key, program)
  }
  expect((await machine.cli('init', clone)).code).toBe(0)
  const { stdout } = await machine.cli('doctor')
  expect(stdout).toContain(`${clone}; origin answers a fetch`)
  await expect(stat(canary)).rejects.toThrow('ENOENT')
})
