import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadConfig } from '../../daemon/config/load-config.ts'
import { DaemonError } from '../../daemon/errors.ts'
import { Redactor } from '../../daemon/redact.ts'

let home: string
let redactor: Redactor

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 's4m-config-'))
  redactor = new Redactor()
})
afterEach(() => rm(home, { recursive: true, force: true }))

const load = (env: NodeJS.ProcessEnv = {}) => loadConfig({ env, home, redactor })

async function writeEnv(text: string, mode = 0o600): Promise<void> {
  await writeFile(join(home, 'daemon.env'), text)
  await chmod(join(home, 'daemon.env'), mode)
}

async function faultsOf(env: NodeJS.ProcessEnv = {}): Promise<string> {
  const error = await load(env).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(DaemonError)
  if (!(error instanceof DaemonError)) throw new Error('unreachable')
  expect(error.code).toBe('VALIDATION_ERROR')
  return error.text
}

describe('precedence', () => {
  test('defaults are the contract’s', async () => {
    const { config } = await load()
    expect(config).toMatchObject({
      databaseUrl: undefined,
      token: undefined,
      logLevel: 'info',
      presence: 'daemon',
      sessionGraceSeconds: 300,
      leaseSeconds: 300,
      heartbeatSeconds: 5,
      minFreeDiskBytes: 1024 ** 3,
      salvageMaxBytes: 1024 ** 3,
      spareWorktrees: true,
    })
    expect(config.paths.home).toBe(home)
  })

  test('environment wins over daemon.env, which wins over defaults; each source is told', async () => {
    await writeEnv(
      'SCRUM4ME_LEASE_SECONDS=60\nSCRUM4ME_HEARTBEAT_SECONDS="3"\nexport SCRUM4ME_LOG_LEVEL=debug\n',
    )
    const { config, settings } = await load({ SCRUM4ME_LEASE_SECONDS: '90' })
    expect(config).toMatchObject({ leaseSeconds: 90, heartbeatSeconds: 3, logLevel: 'debug' })
    const source = (name: string) => settings.find((setting) => setting.name === name)?.source
    expect(source('SCRUM4ME_LEASE_SECONDS')).toBe('environment')
    expect(source('SCRUM4ME_HEARTBEAT_SECONDS')).toBe('daemon.env')
    expect(source('SCRUM4ME_SESSION_GRACE_SECONDS')).toBe('default')
    expect(source('SCRUM4ME_HOME')).toBe('--home')
  })

  test('an empty value counts as none', async () => {
    await writeEnv('SCRUM4ME_LEASE_SECONDS=60\n')
    const { config } = await load({ SCRUM4ME_LEASE_SECONDS: '', DATABASE_URL: '' })
    expect(config.leaseSeconds).toBe(60)
    expect(config.databaseUrl).toBeUndefined()
  })

  test('repo roots come from environment and file', async () => {
    await writeEnv('SCRUM4ME_REPO_ROOT_p1=/file/one\nSCRUM4ME_REPO_ROOT_p2=/file/two/\n')
    const { config } = await load({ SCRUM4ME_REPO_ROOT_p1: '/env/one' })
    expect({ ...config.repoRoots }).toEqual({ p1: '/env/one', p2: '/file/two/' })
  })
})

describe('home and socket', () => {
  const env = { HOME: '/u', SCRUM4ME_HOME: '~/q', SCRUM4ME_SOCKET: '~/s/x.sock' }

  test('may begin with ~/', async () => {
    const { config } = await loadConfig({ env, redactor })
    expect(config.paths).toMatchObject({ home: '/u/q', socket: '/u/s/x.sock' })
  })

  test('are absolute in the environment; --home may be relative', async () => {
    const relative = { SCRUM4ME_HOME: 'q', SCRUM4ME_SOCKET: 'x.sock' }
    const text = await faultsOf(relative)
    expect(text).toContain('SCRUM4ME_SOCKET: expected an absolute path')
    expect(text).not.toContain('SCRUM4ME_HOME')
    await expect(loadConfig({ env: relative, redactor })).rejects.toThrow(
      /SCRUM4ME_HOME: expected an absolute/,
    )
  })
})

describe('faults', () => {
  test('all of them in one message, each with name, shape and remedy', async () => {
    const text = await faultsOf({
      DATABASE_URL: 'mysql://u:hunter2secret@h/d',
      SCRUM4ME_TOKEN: 'with blank secret-token',
      SCRUM4ME_LEASE_SECONDS: 'soon',
      SCRUM4ME_HEARTBEAT_SECONDS: '11',
      SCRUM4ME_PRESENCE: 'maybe',
      SCRUM4ME_AGENT_WORKTREE_DIR: 'relative/dir',
      SCRUM4ME_REPO_ROOT_p1: './here',
      SCRUM4ME_MIN_FREE_DISK_BYTES: '-1',
      SCRUM4ME_LOG_LEVEL: 'loud',
    })
    for (const name of [
      'DATABASE_URL',
      'SCRUM4ME_TOKEN',
      'SCRUM4ME_LEASE_SECONDS: expected an integer from 2 to 86400',
      'SCRUM4ME_HEARTBEAT_SECONDS: expected an integer from 1 to 10',
      'SCRUM4ME_PRESENCE: expected one of daemon, sessions',
      'SCRUM4ME_AGENT_WORKTREE_DIR: expected an absolute path',
      'SCRUM4ME_REPO_ROOT_p1: expected an absolute path',
      'SCRUM4ME_MIN_FREE_DISK_BYTES',
      'SCRUM4ME_LOG_LEVEL',
    ]) {
      expect(text).toContain(name)
    }
    expect(text).toContain('9 settings are wrong')
    expect(text).not.toContain('hunter2secret')
    expect(text).not.toContain('secret-token')
  })

  test.each([
    0o640, 0o604, 0o660, 0o644,
  ])('daemon.env with mode %o is refused, in one message with what is wrong in it', async (mode) => {
    await writeEnv('SCRUM4ME_LEASE_SECONDS=bad-value-in-file\n', mode)
    const text = await faultsOf()
    expect(text).toContain('2 settings are wrong')
    expect(text).toContain('SCRUM4ME_LEASE_SECONDS: expected an integer')
    expect(text).toContain('mode 0600')
    expect(text).toContain('chmod 600')
    expect(text).not.toContain('bad-value-in-file')
  })

  test('daemon.env that is a link or a directory is refused', async () => {
    await writeFile(join(home, 'elsewhere'), '', { mode: 0o600 })
    await symlink(join(home, 'elsewhere'), join(home, 'daemon.env'))
    expect(await faultsOf()).toContain('a regular file')
    await rm(join(home, 'daemon.env'))
    await mkdir(join(home, 'daemon.env'))
    expect(await faultsOf()).toContain('a regular file')
  })

  test.runIf(process.getuid?.() === 0)('daemon.env of another user is refused', async () => {
    await writeEnv('')
    const { chown } = await import('node:fs/promises')
    await chown(join(home, 'daemon.env'), 65534, 65534)
    expect(await faultsOf()).toContain('it belongs to uid 65534')
  })

  test('a line that is no setting is named by number, not by content', async () => {
    await writeEnv('# comment\n\ns3cr3t-pasted-without-name\n')
    const text = await faultsOf()
    expect(text).toContain('daemon.env line 3')
    expect(text).not.toContain('s3cr3t')
  })

  test('home and socket do not belong into daemon.env', async () => {
    await writeEnv('SCRUM4ME_SOCKET=/tmp/x.sock\n')
    expect(await faultsOf()).toContain('SCRUM4ME_SOCKET in')
  })
})

describe('database URL', () => {
  test.each([
    'postgresql://u:p%40ss@host:5432/db',
    'postgres://u@host/db?sslmode=require',
    'postgresql:///scrum4me?host=/run/pg&user=scrum4me',
    'postgresql://scrum4me@/scrum4me?host=/tmp/a%20b',
    'postgresql://u:p@[::1]:5432/db',
  ])('%s is accepted', async (url) => {
    expect((await load({ DATABASE_URL: url })).config.databaseUrl).toBe(url)
  })

  test.each([
    'nonsense',
    'postgresql:/host/db',
    'http://host/db',
    'postgresql://u:%zz@h/d',
    'postgresql://u p@h/d',
  ])('%s is refused', async (url) => {
    expect(await faultsOf({ DATABASE_URL: url })).toContain('DATABASE_URL: expected postgresql://')
  })
})

test('secrets are masked in settings and known to the redactor in every form', async () => {
  const { settings } = await load({
    DATABASE_URL: 'postgresql://u:p%40ss%2Fword@host/db',
    DIRECT_DATABASE_URL: 'postgresql://u@host/db?password=second%20one',
    SCRUM4ME_TOKEN: 'token-0123456789',
  })
  const text = JSON.stringify(settings)
  for (const secret of ['p%40ss', 'p@ss/word', 'second', 'token-0123456789'])
    expect(text).not.toContain(secret)
  expect(settings.find((setting) => setting.name === 'DATABASE_URL')?.value).toBe(
    'postgresql://u:***@host/db',
  )
  expect(redactor.clean('a p%40ss%2Fword b p@ss/word c second one d token-0123456789')).toBe(
    'a *** b *** c *** d ***',
  )
})
