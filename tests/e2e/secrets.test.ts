import { execFileSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { filesBelow } from '../support/files-below.ts'
import { git } from '../support/git.ts'
import type { Installation } from '../support/installation.ts'
import { type Product, Scenario } from '../support/scenario.ts'
import { seed } from '../support/seed.ts'

const PASSWORD = 'pass-w0rd-that-must-not-show'
let scenario: Scenario
let machine: Installation
let product: Product
let token: string

beforeAll(async () => {
  scenario = await Scenario.make()
  token = (await seed.token(scenario.db, { user_id: scenario.userId })).plain
  const url = new URL(scenario.db.url)
  url.password = PASSWORD
  machine = await scenario.installation({
    token,
    databaseUrl: url.href,
    env: { SCRUM4ME_LOG_LEVEL: 'trace' },
  })
  product = await scenario.product(machine)
  await machine.start()
})

afterAll(() => scenario.close())

it('no secret in argv, logs, state, answers, configuration for clients, or the environment of git', async () => {
  // What git's children see: a credential helper, a filter and an upload-pack of the user's run with it.
  const seen = join(machine.dir, 'environment-of-git')
  const spy = join(machine.dir, 'upload-pack')
  await writeFile(spy, `#!/bin/sh\nenv >> ${seen}\nexec git-upload-pack "$@"\n`, { mode: 0o755 })
  await git(product.clone, 'config', 'remote.origin.uploadpack', spy)

  const agent = await machine.agent()
  const job = await scenario.job(product.id)
  const said: unknown[] = [await agent.call('wait_for_job', { wait_seconds: 20 })]
  said.push(await agent.call('worker_status'), await agent.call('health'))
  said.push(await agent.call('update_job_status', { job_id: job, status: 'failed', error: 'x' }))
  said.push(await agent.client.listTools())
  for (const command of [
    ['status'],
    ['status', '--json'],
    ['config'],
    ['config', '--json'],
    ['mcp-config'],
    ['doctor'],
    ['jobs'],
    ['db', 'url'],
    ['logs', '-n', '500'],
  ]) {
    said.push(await machine.cli(...command))
  }
  said.push(machine.daemonOutput)
  const argv = execFileSync('ps', ['-axww', '-o', 'args'], { encoding: 'utf8', maxBuffer: 1 << 24 })
  said.push(argv.split('\n').filter((line) => line.includes('scrum4me') || line.includes(machine.dir)))
  said.push(await filesBelow(machine.home))
  const everything = JSON.stringify(said)
  expect(everything).not.toContain(PASSWORD)
  expect(everything).not.toContain(token)
  const environment = await readFile(seen, 'utf8').catch(() => '')
  expect(environment).not.toMatch(/DATABASE_URL|SCRUM4ME_TOKEN/)
  // Asked for by name, the password is there.
  expect((await machine.cli('db', 'url', '--show-password')).stdout).toContain(PASSWORD)
})
