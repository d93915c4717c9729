import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Agent } from '../support/agent.ts'
import { git } from '../support/git.ts'
import { Installation } from '../support/installation.ts'
import { testDatabase } from '../support/postgres.ts'
import { type Product, Scenario } from '../support/scenario.ts'
import { seed } from '../support/seed.ts'
import { until } from '../support/until.ts'

describe('wrong input gets the contract’s error and changes nothing', () => {
  let scenario: Scenario
  let machine: Installation
  let product: Product
  let agent: Agent

  beforeAll(async () => {
    ;({ scenario, machine, product, agent } = await Scenario.atWork())
  })

  afterAll(() => scenario.close())

  it('arguments of wait_for_job at and beyond their limits', async () => {
    expect(await agent.fails('wait_for_job', { wait_seconds: 0 })).toMatch(
      /^VALIDATION_ERROR: wait_seconds must be at least 1/,
    )
    expect(await agent.fails('wait_for_job', { wait_seconds: 601 })).toMatch(
      /^VALIDATION_ERROR: wait_seconds must be at most 600/,
    )
    expect(await agent.fails('wait_for_job', { seconds: 5 })).toMatch(
      /^VALIDATION_ERROR: seconds is not an argument/,
    )
    expect(await agent.call('wait_for_job', { wait_seconds: 1, capability: 'x' })).toMatchObject({
      status: 'timeout',
    })
  })

  it('a product to wait for that is missing, or another user’s', async () => {
    const foreign = await seed.product(scenario.db)
    for (const product_id of [String(foreign.id), 'nothing', 'n\0']) {
      expect(await agent.fails('wait_for_job', { product_id, wait_seconds: 1 })).toBe(
        `NOT_FOUND: Product ${product_id} not found or not accessible. Check the id; nothing was changed.`,
      )
    }
  })

  it('an id of a hundred thousand characters is not said back', async () => {
    const id = 'x'.repeat(100_000)
    for (const [tool, args] of [
      ['wait_for_job', { product_id: id }],
      ['update_job_status', { job_id: id, status: 'done' }],
      ['job_heartbeat', { job_id: id }],
    ] as const) {
      const text = await agent.fails(tool, args)
      expect(text).toMatch(/^NOT_FOUND: \w+ x+… not found/)
      expect(text.length).toBeLessThan(400)
    }
  })

  it('jobs of other users and jobs that ended', async () => {
    const foreign = await seed.job(scenario.db)
    const ended = await scenario.job(product.id, { quiet: true, row: { status: 'DONE' } })
    const report = (job_id: unknown) => agent.fails('update_job_status', { job_id, status: 'done' })
    expect(await report(foreign.id)).toBe(
      `NOT_FOUND: Job ${foreign.id} not found or not accessible. Check the id; nothing was changed.`,
    )
    expect(await report(ended)).toMatch(/^JOB_TERMINAL: /)
    for (const job_id of ['../x', '', 'x'.repeat(200), "'; drop table users; --"]) {
      expect(await report(job_id)).toMatch(/^(NOT_FOUND|VALIDATION_ERROR): /)
    }
    expect(await scenario.jobRow(String(foreign.id))).toMatchObject({ status: 'QUEUED' })
    expect(await scenario.jobRow(ended)).toMatchObject({ status: 'DONE' })
  })

  it('a job claimed by another token of the user is not this machine’s to report', async () => {
    const token = await seed.token(scenario.db, { user_id: scenario.userId })
    const job = await scenario.job(product.id, {
      quiet: true,
      row: {
        status: 'CLAIMED',
        claimed_by_token_id: token.id,
        worker_instance_id: 'elsewhere',
        claimed_at: new Date(),
        lease_until: new Date(Date.now() + 300_000),
      },
    })
    expect(await agent.fails('update_job_status', { job_id: job, status: 'done' })).toMatch(
      /^OWNERSHIP_LOST: /,
    )
    expect(await agent.fails('job_heartbeat', { job_id: job })).toMatch(/^OWNERSHIP_LOST: /)
    expect(await scenario.jobRow(job)).toMatchObject({ status: 'CLAIMED', worker_instance_id: 'elsewhere' })
  })

  it('a repository without a commit: told once, the job stays queued and rests here', async () => {
    const empty = join(machine.dir, 'empty')
    await git(machine.dir, 'init', '-q', empty)
    const row = await seed.product(scenario.db, { user_id: scenario.userId })
    await scenario.know(machine, { [product.id]: product.clone, [String(row.id)]: empty })
    const job = await scenario.job(String(row.id))
    expect(await agent.fails('wait_for_job', { wait_seconds: 20 })).toMatch(
      /^WORKTREE_FAILED: .*; job \S+ is kept for a later try\./,
    )
    expect(await scenario.jobRow(job)).toMatchObject({ status: 'QUEUED', claimed_at: null, retry_count: 0 })
    // Whoever asks why it does not begin is told.
    const [problem, ...others] = (await machine.status()).problems
    expect(others).toEqual([])
    expect(problem).toMatchObject({
      code: 'JOB_NOT_STARTED',
      message: expect.stringContaining(`Job ${job} (`),
      remedy: expect.stringMatching(/when a session waits, in \d+ s at the earliest, .*restart --home /),
    })
    expect(problem?.message).toContain(`${empty} has no commit`)
    // It rests here: no tight loop, and a job behind it is served.
    const behind = await scenario.job(product.id)
    expect(await agent.call('wait_for_job', { wait_seconds: 20 })).toMatchObject({ job_id: behind })
    await agent.call('update_job_status', { job_id: behind, status: 'skipped' })
    await scenario.db.query('delete from claude_jobs where id = $1', [job])
    expect((await machine.status()).problems).toEqual([])
  })

  it('a worktree directory that is not writable', async () => {
    const blocked = await scenario.installation({
      env: { SCRUM4ME_AGENT_WORKTREE_DIR: join(machine.dir, 'a-file', 'worktrees') },
    })
    await writeFile(join(machine.dir, 'a-file'), '')
    await scenario.know(blocked, { [product.id]: product.clone })
    await blocked.start(['degraded'])
    expect((await blocked.status()).problems).toEqual([
      {
        ...{ code: 'WORKTREE_FAILED', remedy: expect.stringContaining('SCRUM4ME_AGENT_WORKTREE_DIR') },
        message: expect.stringMatching(/a-file\/worktrees cannot be used \(ENOTDIR\)/),
      },
    ])
    const other = await blocked.agent()
    await agent.close()
    const job = await scenario.job(product.id)
    expect(await other.fails('wait_for_job', { wait_seconds: 20 })).toMatch(/^(WORKTREE_FAILED|DISK_LOW): /)
    expect(await scenario.jobRow(job)).toMatchObject({ status: 'QUEUED' })
    await other.close()
    await rm(join(machine.dir, 'a-file'))
    // What is left is the job that could not be begun, until somebody else has it.
    expect((await blocked.status()).problems).toMatchObject([{ code: 'JOB_NOT_STARTED' }])
    await scenario.db.query(`update claude_jobs set status = 'CANCELLED' where id = $1`, [job])
    expect((await blocked.status()).problems).toEqual([])
    await blocked.end()
  })

  it('a disk below the floor: never healthy, from the first answer on', async () => {
    const full = await scenario.installation({ env: { SCRUM4ME_MIN_FREE_DISK_BYTES: String(2 ** 50) } })
    const seen = new Set<string>()
    full.spawnDaemon()
    await until('it is up', async () => {
      const { state, problems, daemon } = await full.status()
      if (daemon === null) return false
      seen.add(`${state} ${problems.map(({ code }) => code)}`)
      return state === 'healthy' || state === 'degraded'
    })
    expect(seen).toContain('degraded DISK_LOW')
    expect(seen).not.toContain('healthy ')
  })
})

describe('a daemon that cannot start says all that is wrong and exits 78', () => {
  let machine: Installation
  beforeAll(async () => {
    machine = await Installation.make()
  })
  afterAll(() => machine.remove())

  const run = (env: Record<string, string>) => machine.cliWith({ env }, 'run')

  it('a DATABASE_URL that does not parse, and more faults at once', async () => {
    const result = await run({ DATABASE_URL: 'mysql://u:topsecret@h/db', SCRUM4ME_LEASE_SECONDS: 'soon' })
    expect(result.code).toBe(78)
    expect(result.stderr).toContain('DATABASE_URL')
    expect(result.stderr).toContain('SCRUM4ME_LEASE_SECONDS')
    expect(result.stderr).not.toContain('topsecret')
  })

  it('a home that others may enter, or that another user owns', async () => {
    const open = join(machine.dir, 'open')
    await mkdir(open)
    await chmod(open, 0o755)
    const result = await run({ SCRUM4ME_HOME: open })
    expect(result.code).toBe(78)
    expect(result.stderr).toContain(open)
    const foreign = await run({ SCRUM4ME_HOME: process.getuid?.() === 0 ? '/var/mail' : '/root' })
    expect(foreign.code).toBe(78)
  })
})

describe('a database that cannot be used leaves the daemon up and degraded', () => {
  it.each([
    ['does not answer', 'postgresql://u:topsecret@127.0.0.1:1/db', 'DATABASE_UNAVAILABLE'],
    ['has no tables', 'empty', 'SCHEMA_INCOMPLETE'],
    ['lacks a column', 'short', 'SCHEMA_INCOMPLETE'],
  ])('%s', async (_what, url, code) => {
    const made = /^\w+$/.test(url) ? await testDatabase({ empty: url === 'empty' }) : undefined
    if (url === 'short') await made?.query('alter table claude_jobs drop column lease_until')
    const machine = await Installation.make({ databaseUrl: made?.url ?? url, token: 'x'.repeat(64) })
    try {
      await machine.start(['degraded'])
      const status = await machine.cli('status')
      expect(status.code).toBe(1)
      const report = await machine.status()
      expect(report.problems.map((problem) => problem.code)).toContain(code)
      expect(JSON.stringify(report)).not.toContain('topsecret')
      if (url === 'short') {
        const sql = /ALTER TABLE \W*claude_jobs\W* ADD COLUMN (IF NOT EXISTS )?\W*lease_until/i
        for (const command of ['doctor', 'logs']) expect((await machine.cli(command)).stdout).toMatch(sql)
      }
      const agent = await machine.agent()
      expect(await agent.fails('list_products')).toMatch(/^DATABASE_UNAVAILABLE: /)
      await agent.close()
    } finally {
      await machine.remove()
      await made?.drop()
    }
  })
})
