import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { filesBelow } from '../support/files-below.ts'
import type { Installation } from '../support/installation.ts'
import { Scenario } from '../support/scenario.ts'
import { seed } from '../support/seed.ts'

const PASSWORD = 'hush-a-bye-77'

let scenario: Scenario
let machine: Installation
let productId: string

beforeAll(async () => {
  scenario = await Scenario.make()
  // The server trusts the socket; the password is there to be kept secret.
  const databaseUrl = scenario.db.url.replace(/^([a-z]+:\/\/[^@:]*)@/, `$1:${PASSWORD}@`)
  expect(databaseUrl).toContain(PASSWORD)
  machine = await scenario.installation({ databaseUrl })
  const product = await scenario.product(machine)
  productId = product.id
  await machine.start()
})
afterAll(() => scenario.close())

describe('questions', () => {
  test('lists open ones and answers once', async () => {
    const story = await seed.story(scenario.db, { product_id: productId })
    const agent = await machine.agent()
    const asked = agent.call('ask_user_question', {
      story_id: story.id,
      question: 'Blue\u001b[31m or red?',
      options: ['blue', 'red'],
      wait_seconds: 30,
    })
    const list = async () =>
      (await machine.json<{ questions: Record<string, unknown>[] }>('questions')).questions
    await expect.poll(async () => (await list()).length).toBe(1)
    const [question] = await list()
    expect(question).toMatchObject({ options: ['blue', 'red'], story: expect.stringContaining('ST') })
    const text = await machine.cli('questions')
    expect(text.stdout).toContain('- red')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
    expect(text.stdout).not.toMatch(/\u001b/)
    const id = String(question?.question_id)
    expect((await machine.cli('answer', id, 'dark', 'red')).code).toBe(0)
    expect(await asked).toMatchObject({
      status: 'answered',
      answer: 'dark red',
      answered_by: expect.anything(),
    })
    const again = await machine.cli('answer', id, 'blue')
    expect(again.code).toBe(1)
    expect(again.stderr).toMatch(/^CONFLICT: .*answered/)
    expect((await machine.cli('answer', 'nope', 'x')).stderr).toMatch(/^NOT_FOUND/)
    expect(await list()).toEqual([])
    await agent.close()
  })
})

describe('pause', () => {
  test('stops claiming, survives a restart, and resume starts it again', async () => {
    await machine.cli('pause')
    expect((await machine.status()).daemon?.paused).toBe(true)
    await machine.end()
    await machine.start()
    expect((await machine.status()).daemon?.paused).toBe(true)
    const id = await scenario.job(productId)
    const agent = await machine.agent()
    expect(await agent.call('wait_for_job', { wait_seconds: 1 })).toMatchObject({
      ...{ status: 'timeout', next_action: 'queue_empty' },
      message: expect.stringContaining(`\`scrum4me-daemon resume --home ${machine.home}\``),
    })
    const waiting = agent.call('wait_for_job', { wait_seconds: 30 })
    expect(await scenario.jobRow(id)).toMatchObject({ status: 'QUEUED' })
    await machine.cli('resume')
    const { job_id } = await waiting
    expect(await scenario.jobRow(String(job_id))).toMatchObject({ status: 'CLAIMED' })
    await machine.json('jobs', 'cancel', String(job_id))
    await agent.close()
  })
})

describe('login', () => {
  test('checks both against the database and saves them for the daemon alone', async () => {
    const home = join(machine.dir, 'login')
    const { plain } = await seed.token(scenario.db, { user_id: scenario.userId })
    const env = { SCRUM4ME_HOME: home, DATABASE_URL: '', SCRUM4ME_TOKEN: '' }
    const login = (input: string) => machine.cliWith({ env, input }, 'login')
    const unknown = await login(`${scenario.db.url}\n${'x'.repeat(40)}\n`)
    expect(unknown.code).toBe(1)
    expect(unknown.stderr).toMatch(
      /^UNAUTHORIZED: The database does not know this token.* Nothing was saved\.$/m,
    )
    await expect(stat(home)).rejects.toThrow('ENOENT')
    await mkdir(home, { mode: 0o700 })
    await writeFile(
      join(home, 'daemon.env'),
      '# mine\nSCRUM4ME_LOG_LEVEL=debug\nSCRUM4ME_TOKEN=old-token-1\n',
      {
        mode: 0o600,
      },
    )
    const good = await login(`DATABASE_URL="${scenario.db.url}"\nSCRUM4ME_TOKEN=${plain}\n`)
    expect(good).toMatchObject({ code: 0, stdout: expect.stringContaining('Logged in as user-') })
    expect(good.stdout + good.stderr).not.toContain(plain)
    expect(await readFile(join(home, 'daemon.env'), 'utf8')).toBe(
      `# mine\nSCRUM4ME_LOG_LEVEL=debug\nDATABASE_URL=${scenario.db.url}\nSCRUM4ME_TOKEN=${plain}\n`,
    )
    expect((await stat(join(home, 'daemon.env'))).mode & 0o777).toBe(0o600)
    // A stopped daemon's doctor checks the same directly.
    const { checks } = JSON.parse((await machine.cliWith({ env }, 'doctor', '--json')).stdout)
    expect(checks).toContainEqual(expect.objectContaining({ name: 'database', state: 'ok' }))
    expect(checks).toContainEqual(expect.objectContaining({ name: 'token', state: 'ok' }))
    expect(checks).toContainEqual(expect.objectContaining({ name: 'daemon', state: 'fail' }))
  })
})

describe('the rest', () => {
  test('db url is one line that node-postgres accepts; migrations of a shared database are not ours', async () => {
    const { stdout } = await machine.cli('db', 'url', '--show-password')
    expect(stdout.trim().split('\n')).toHaveLength(1)
    const client = new pg.Client({ connectionString: stdout.trim() })
    await client.connect()
    await client.end()
    const migrate = await machine.cli('db', 'migrate')
    expect(migrate).toMatchObject({ code: 0, stdout: '' })
    expect(migrate.stderr).toContain('Nothing is missing')
    expect((await machine.cli('db', 'dump')).stderr).toMatch(/^VALIDATION_ERROR: .*not embedded/)
  })

  test('a DATABASE_URL of the shell that is another is named and ignored', async () => {
    const env = { DATABASE_URL: 'postgresql://x:hunter22@nowhere.invalid/y' }
    const other = await machine.cliWith({ env }, 'jobs', '--json')
    expect(other.code).toBe(0)
    expect(other.stderr).toContain("DATABASE_URL of this shell is not the daemon's")
    expect(other.stderr).not.toContain('hunter22')
    JSON.parse(other.stdout)
    for (const command of ['status', 'start']) {
      const { code, stderr } = await machine.cliWith({ env }, command)
      expect({ command, code, stderr }).toEqual({ command, code: 0, stderr: other.stderr })
    }
    expect((await machine.cli('status')).stderr).toBe('')
    expect((await machine.cli('jobs', '--json')).stderr).toBe('')
  })

  test('config shows the running daemon’s values', async () => {
    const env = { SCRUM4ME_LEASE_SECONDS: '77' }
    const { stdout } = await machine.cliWith({ env }, 'config', '--json')
    const settings: { name: string; value: string }[] = JSON.parse(stdout).settings
    expect(settings.find((one) => one.name === 'SCRUM4ME_LEASE_SECONDS')?.value).toBe('300')
    expect(settings.find((one) => one.name === 'SCRUM4ME_TOKEN')?.value).toBe('***')
  })

  test('mcp-config names the directory in which the running daemon makes worktrees', async () => {
    const env = { SCRUM4ME_AGENT_WORKTREE_DIR: join(machine.dir, 'elsewhere') }
    const { stdout } = await machine.cliWith({ env }, 'mcp-config', '--json')
    expect(JSON.parse(stdout).settings_json.permissions.additionalDirectories).toEqual([
      machine.env.SCRUM4ME_AGENT_WORKTREE_DIR,
    ])
  })

  test('no secret anywhere the product writes', async () => {
    const secrets = [String(machine.env.SCRUM4ME_TOKEN), PASSWORD]
    const clean = (text: string, where: string) => {
      for (const secret of secrets) if (text.includes(secret)) throw new Error(`a secret in ${where}`)
    }
    const commands = [
      ...[['status'], ['status', '--json'], ['doctor'], ['config'], ['mcp-config'], ['jobs'], ['db', 'url']],
      ...[['logs', '-n', '1000', '--raw'], ['worktrees'], ['completion', 'bash'], ['install', '--print']],
    ]
    for (const args of commands) {
      const { stdout, stderr } = await machine.cli(...args)
      clean(stdout + stderr, args.join(' '))
    }
    clean(machine.daemonOutput, 'the daemon’s stderr')
    for (const [file, text] of await filesBelow(machine.dir)) {
      if (file !== join(machine.dir, 'login', 'daemon.env')) clean(text, file)
    }
    for (const pid of await readdir('/proc')) {
      if (/^\d+$/.test(pid))
        clean(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''), `argv of ${pid}`)
    }
    expect((await stat(join(machine.home, 'logs', 'daemon.log'))).mode & 0o077).toBe(0)
  })
})
