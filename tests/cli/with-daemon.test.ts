import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cloneWithOrigin, git } from '../support/git.ts'
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

describe('init', () => {
  test('is idempotent, from anywhere in the clone, and keeps the roots that are there', async () => {
    const { clone, origin } = await cloneWithOrigin(join(machine.dir, 'more'), 'web shop')
    await mkdir(join(clone, 'deep', 'er'), { recursive: true })
    const first = await machine.json('init', clone)
    expect(first).toEqual({ product_id: expect.any(String), name: 'web shop', repo_root: clone })
    expect(await machine.json('init', join(clone, 'deep', 'er'))).toEqual(first)
    const inside = await machine.cliWith({ cwd: join(clone, 'deep') }, 'init', '--json')
    expect(JSON.parse(inside.stdout)).toEqual(first)
    const rows = await scenario.db.query('select * from products where name = $1', ['web shop'])
    expect(rows).toEqual([
      expect.objectContaining({ id: first.product_id, user_id: scenario.userId, repo_url: origin }),
    ])
    const file = JSON.parse(
      await readFile(join(machine.env.HOME ?? '', '.scrum4me-agent-config.json'), 'utf8'),
    )
    expect(Object.keys(file.repoRoots).sort()).toEqual([productId, first.product_id].sort())
  })

  test('by name: a product of that name is taken, a new clone path replaces the old', async () => {
    const { clone } = await cloneWithOrigin(join(machine.dir, 'again'), 'shop2')
    const product = await seed.product(scenario.db, { user_id: scenario.userId, name: 'The Shop' })
    expect(await machine.json('init', clone, '--name', 'The Shop')).toEqual({
      product_id: product.id,
      name: 'The Shop',
      repo_root: clone,
    })
  })

  test('another name makes another product of the same repository, and says so', async () => {
    const { clone } = await cloneWithOrigin(join(machine.dir, 'twice'), 'web')
    await machine.cli('init', clone)
    const { stdout } = await machine.cli('init', clone, '--name', 'docs')
    expect(stdout).toMatch(/^Created product docs /)
    expect(stdout).toContain('It is the repository of web as well.')
  })

  test('says that the product is there when its root cannot be recorded', async () => {
    const { clone } = await cloneWithOrigin(join(machine.dir, 'unrecorded'), 'unrecorded')
    const file = join(machine.env.HOME ?? '', '.scrum4me-agent-config.json')
    const before = await readFile(file)
    await writeFile(file, 'not json {')
    const { code, stdout, stderr } = await machine.cli('init', clone)
    await writeFile(file, before)
    expect([code, stdout]).toEqual([1, ''])
    const [product] = await scenario.db.query('select id from products where name = $1', ['unrecorded'])
    expect(stderr).toContain(`VALIDATION_ERROR: Created product unrecorded (${product?.id}), but`)
    expect(stderr).toContain(`SCRUM4ME_REPO_ROOT_${product?.id}=${clone}`)
  })

  test('ten at once make one product', async () => {
    const { clone } = await cloneWithOrigin(join(machine.dir, 'ten'), 'ten')
    const made = await Promise.all(Array.from({ length: 10 }, () => machine.json('init', clone)))
    expect(new Set(made.map((one) => one.product_id)).size).toBe(1)
    expect(await scenario.db.query('select id from products where name = $1', ['ten'])).toHaveLength(1)
  })

  test('credentials of origin do not reach the database', async () => {
    const { clone } = await cloneWithOrigin(join(machine.dir, 'cred'), 'cred')
    await git(clone, 'remote', 'set-url', 'origin', 'https://me:s3cret@example.invalid/x.git')
    const { product_id } = await machine.json('init', clone)
    const [row] = await scenario.db.query('select repo_url from products where id = $1', [product_id])
    expect(row).toEqual({ repo_url: 'https://example.invalid/x.git' })
  })

  test.each(['/nonexistent', '/', '/etc/passwd'])('%s is no repository', async (path) => {
    const { code, stderr, stdout } = await machine.cli('init', path, '--json')
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^VALIDATION_ERROR: .*no git repository/)
  })

  test('an archived product of that name is not taken silently', async () => {
    const { clone } = await cloneWithOrigin(join(machine.dir, 'arch'), 'arch')
    await seed.product(scenario.db, { user_id: scenario.userId, name: 'arch', archived: true })
    const { code, stderr } = await machine.cli('init', clone)
    expect(code).toBe(1)
    expect(stderr).toMatch(/^CONFLICT: .*archived/)
  })
})

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
    expect(unknown.stderr).toMatch(/^UNAUTHORIZED: The database does not know this token/)
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

  test('doctor looks from inside the daemon and finds all well', async () => {
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
  })

  test('doctor names a clone that cannot be fetched and one that is gone', async () => {
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

  test('doctor and init run no program that a clone’s configuration names', async () => {
    const { clone } = await cloneWithOrigin(join(machine.dir, 'hostile'), 'hostile')
    const canary = join(machine.dir, 'canary')
    const program = join(machine.dir, 'program.sh')
    await writeFile(program, `#!/bin/sh\necho "$0 $*" >> ${canary}\nexit 1\n`, { mode: 0o755 })
    for (const key of [
      'remote.origin.uploadpack',
      'core.sshCommand',
      'core.fsmonitor',
      'credential.helper',
    ]) {
      await git(clone, 'config', key, program)
    }
    expect((await machine.cli('init', clone)).code).toBe(0)
    const { stdout } = await machine.cli('doctor')
    expect(stdout).toContain(`${clone}; origin answers a fetch`)
    await expect(stat(canary)).rejects.toThrow('ENOENT')
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
    for (const entry of await readdir(machine.dir, { recursive: true, withFileTypes: true })) {
      const file = join(entry.parentPath, entry.name)
      if (entry.isFile() && file !== join(machine.dir, 'login', 'daemon.env')) {
        clean(await readFile(file, 'latin1'), file)
      }
    }
    for (const pid of await readdir('/proc')) {
      if (/^\d+$/.test(pid))
        clean(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''), `argv of ${pid}`)
    }
    expect((await stat(join(machine.home, 'logs', 'daemon.log'))).mode & 0o077).toBe(0)
  })
})
