import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readProcess } from '../../daemon/wire/read-process.ts'
import { gitEnvironment } from '../../daemon/worktrees/git/environment.ts'
import { Git } from '../../daemon/worktrees/git/git.ts'
import { GitError, maskUrls } from '../../daemon/worktrees/git/git-error.ts'
import { listWorktrees } from '../../daemon/worktrees/git/repository.ts'
import { runChild } from '../../daemon/worktrees/git/run-child.ts'
import { hardening, parseConfig, refusal, withoutFilters } from '../../daemon/worktrees/git/safe-config.ts'
import { parseWorktreeList } from '../../daemon/worktrees/git/worktree-list.ts'
import { parseMarker } from '../../daemon/worktrees/marker.ts'
import { fields, quoted } from '../../daemon/worktrees/salvage/bytes.ts'
import { until } from '../support/until.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'scrum4me-git-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

describe('the environment of git', () => {
  test('holds nothing but what it needs', () => {
    const parent = {
      ...{
        PATH: '/bin',
        HOME: '/h',
        SSH_AUTH_SOCK: '/own',
        EDITOR: 'vi',
        GIT_DIR: '/x',
        GIT_CONFIG_COUNT: '1',
      },
      ...{ DATABASE_URL: 'postgres://secret', SCRUM4ME_TOKEN: 'secret', NOTIFY_SOCKET: '/n' },
    }
    const environment = gitEnvironment(parent, { sshAuthSock: '/session' })
    expect(environment).toMatchObject({ PATH: '/bin', HOME: '/h', SSH_AUTH_SOCK: '/session' })
    expect(gitEnvironment(parent, { sshCommand: 'my-ssh -i key' }).GIT_SSH_COMMAND).toMatch(
      /^my-ssh -i key -oBatch/,
    )
    expect(JSON.stringify(environment)).not.toContain('secret')
    for (const name of ['EDITOR', 'GIT_DIR', 'GIT_CONFIG_COUNT', 'NOTIFY_SOCKET']) {
      expect(environment).not.toHaveProperty(name)
    }
    expect(gitEnvironment(parent, { sshAuthSock: null })).toMatchObject({ SSH_AUTH_SOCK: '/own' })
  })
})

describe('a child process', () => {
  const call = (script: string, options: object = {}) =>
    runChild({
      command: 'sh',
      args: ['-c', script],
      cwd: dir,
      env: { PATH: process.env.PATH ?? '' },
      deadlineMs: 20_000,
      ...options,
    })
  /** A zombie counts as gone: nobody may have waited for it. */
  const isGone = async (file: string) => {
    const pid = (await readFile(join(dir, file), 'utf8')).trim()
    return (await readProcess(Number(pid))) === null
  }

  test('past its deadline ends with its children, even those that ignore being asked', async () => {
    const result = await call(
      'trap "" TERM; (trap "" TERM; echo $$ > parent; sleep 600) & echo $! > child; wait',
      {
        deadlineMs: 300,
      },
    )
    expect(result.ended).toBe('deadline')
    await until('the child is gone', () => isGone('child'))
  })

  test('called off ends at once; called off before, never begins', async () => {
    const stop = new AbortController()
    const running = call('echo $$ > pid; sleep 600', { signal: stop.signal })
    // The shell makes the file first and writes into it then.
    await until(
      'the command runs',
      async () => (await readFile(join(dir, 'pid'), 'utf8').catch(() => '')).trim() !== '',
    )
    stop.abort()
    expect((await running).ended).toBe('aborted')
    await until('the command is gone', () => isGone('pid'))
    expect(await call('echo never > never', { signal: stop.signal })).toMatchObject({ ended: 'aborted' })
    await expect(readFile(join(dir, 'never'))).rejects.toThrow()
  })

  test('silent for too long is ended; one that speaks is not', async () => {
    expect((await call('sleep 600', { idleMs: 300 })).ended).toBe('silent')
    const talking = 'for i in 1 2 3 4 5 6; do echo $i; sleep 0.2; done'
    expect(await call(talking, { idleMs: 1_000 })).toMatchObject({ ended: 'by-itself', code: 0 })
  })

  test('that does not exist rejects', async () => {
    await expect(
      runChild({ command: 'no-such-program', args: [], cwd: '/', env: {}, deadlineMs: 1000 }),
    ).rejects.toThrow('ENOENT')
  })
})

describe('git', () => {
  const git = () => new Git({ env: { PATH: process.env.PATH, HOME: dir } })

  test('a failing question is a GitError with what git said', async () => {
    const error: unknown = await git()
      .ask({ dir }, 'rev-parse', 'HEAD')
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(GitError)
    expect(error).toMatchObject({ exitCode: 128, why: 'failed' })
    expect(String(error)).toContain('not a git repository')
  })

  test('transient failures are told from real ones', () => {
    const isTransient = (stderr: string) => new GitError('x', 128, stderr).isTransient
    expect(isTransient('fatal: failed to read .git/worktrees/x/commondir: Success')).toBe(true)
    expect(
      isTransient("error: cannot lock ref 'refs/heads/x': Unable to create 'x.lock': File exists."),
    ).toBe(true)
    expect(isTransient("fatal: cannot lock ref 'refs/heads/x': reference already exists")).toBe(false)
    expect(isTransient("fatal: cannot lock ref 'a': is at 1 but expected 2")).toBe(false)
    expect(isTransient('fatal: not a git repository')).toBe(false)
  })

  test('passwords in URLs are masked, progress and advice left out', () => {
    expect(maskUrls('https://me:secret@host/x.git')).toBe('https://***@host/x.git')
    expect(maskUrls("'https://host/x.git?private_token=secret&a=b/': not found")).toBe(
      "'https://host/x.git?***': not found",
    )
    expect(maskUrls('https://me@example.org:secret@host/x.git')).toBe('https://***@host/x.git')
    // What a server says is of any length.
    const begin = performance.now()
    for (const word of ['a', 'a://', 'a://b?', 'a+', '@']) maskUrls(word.repeat(200_000))
    expect(performance.now() - begin).toBeLessThan(2_000)
    const said =
      'remote: Counting objects: 10%\rremote: done\nfatal: Authentication failed for https://me:pw@h/x\n'
    expect(new GitError('fetch', 128, said).message).toBe(
      'git fetch failed: fatal: Authentication failed for https://***@h/x',
    )
  })
})

describe('hardening', () => {
  const entry = (scope: string, key: string, value: string) => ({ scope, key, value })

  test('what only the user configured stays', () => {
    const entries = [
      entry('global', 'filter.lfs.smudge', 'git-lfs smudge'),
      entry('global', 'credential.helper', 'store'),
      entry('system', 'core.autocrlf', 'false'),
    ]
    expect(hardening(entries)).toEqual([])
  })

  test('the clone’s filter gives way to the user’s, and to none where the user has none', () => {
    const entries = [
      entry('global', 'filter.lfs.smudge', 'git-lfs smudge'),
      entry('global', 'filter.lfs.required', 'true'),
      entry('local', 'filter.lfs.smudge', 'evil'),
      entry('local', 'filter.other.process', 'evil'),
    ]
    expect(hardening(entries)).toEqual([
      ...['filter.lfs.clean=', 'filter.lfs.smudge=git-lfs smudge', 'filter.lfs.required=true'],
      ...[
        'filter.other.clean=',
        'filter.other.smudge=',
        'filter.other.process=',
        'filter.other.required=false',
      ],
    ])
    expect(withoutFilters(entries).filter((setting) => !/=(false)?$/.test(setting))).toEqual([])
  })

  test('the clone’s credential helper is dropped, the user’s kept', () => {
    const entries = [
      entry('global', 'credential.https://example.org.helper', 'store'),
      entry('local', 'credential.helper', '!evil'),
    ]
    expect(hardening(entries)).toEqual(['credential.helper=', 'credential.https://example.org.helper=store'])
  })

  test("what Apple's git reads from its own files is the machine owner's, of whatever scope it says that is", () => {
    const file = '/Library/Developer/CommandLineTools/usr/share/git-core/gitconfig'
    const keychain = { scope: 'unknown', key: 'credential.helper', value: 'osxkeychain' }
    const own = { scope: 'local', key: 'credential.helper', value: '!evil', file: '.git/config' }
    expect(hardening([{ ...keychain, file }, own])).toEqual([
      'credential.helper=',
      'credential.helper=osxkeychain',
    ])
    expect(hardening([{ ...keychain, file: '/home/me/clone/gitconfig' }, own])).toEqual([
      'credential.helper=',
    ])
  })

  test('a partial clone with a program of its own is refused', () => {
    const partial = entry('local', 'remote.origin.promisor', 'true')
    expect(refusal([partial])).toBeNull()
    expect(refusal([partial, entry('local', 'remote.origin.uploadpack', 'evil')])).toContain('uploadpack')
    expect(refusal([partial, entry('global', 'remote.origin.uploadpack', 'mine')])).toBeNull()
  })

  test('configuration is parsed with newlines and without values', () => {
    expect(parseConfig('local\0file:config\0a.b\nline 1\nline 2\0global\0blob:x\0c.d\0')).toEqual([
      { ...entry('local', 'a.b', 'line 1\nline 2'), file: 'config' },
      entry('global', 'c.d', ''),
    ])
  })
})

describe('what git and others print', () => {
  test('the list of worktrees, also from a git that cannot end its fields with NUL', async () => {
    const env = { PATH: process.env.PATH ?? '', HOME: dir }
    await new Git({ env }).run({ dir }, 'init', '--quiet', 'clone')
    const clone = { dir: join(dir, 'clone') }
    await new Git({ env }).run(clone, 'commit', '--quiet', '--allow-empty', '-m', 'x')
    const options = ['--quiet', '--lock', '--reason', 'ours, not yours', '-b', 'branch']
    await new Git({ env }).run(clone, 'worktree', 'add', ...options, join(dir, 'a tree'))
    const listed = await listWorktrees(new Git({ env }), clone)
    const script = `#!/bin/sh\ncase "$*" in *'list --porcelain -z') exit 129;; esac\nPATH='${env.PATH}' exec git "$@"\n`
    await mkdir(join(dir, 'bin'))
    await writeFile(join(dir, 'bin/git'), script, { mode: 0o755 })
    const old = new Git({ env: { ...env, PATH: `${join(dir, 'bin')}:${env.PATH}` } })
    expect(await listWorktrees(old, clone)).toEqual(listed)
    expect(listed[1]).toMatchObject({ path: join(dir, 'a tree'), lockReason: 'ours, not yours' })
  })

  test('worktree list', () => {
    const output =
      'worktree /a b\0HEAD 1\0branch refs/heads/feat/x\0\0worktree /c\0HEAD 2\0detached\0locked why so\0prunable gone\0\0worktree /d\0bare\0\0'
    expect(parseWorktreeList(output)).toEqual([
      { path: '/a b', head: '1', branch: 'feat/x', bare: false, lockReason: null, prunable: false },
      { path: '/c', head: '2', branch: null, bare: false, lockReason: 'why so', prunable: true },
      { path: '/d', head: null, branch: null, bare: true, lockReason: null, prunable: false },
    ])
  })

  test('our marker, and others', () => {
    expect(parseMarker('scrum4me inst=i-1 job=j-2')).toEqual({ instanceId: 'i-1', kind: 'job', id: 'j-2' })
    expect(parseMarker('scrum4me inst=i spare=s (kept)')).toEqual({ instanceId: 'i', kind: 'spare', id: 's' })
    for (const reason of [null, '', 'initializing', 'scrum4me job=x', 'mine: scrum4me inst=i job=j']) {
      expect(parseMarker(reason)).toBeNull()
    }
  })

  test('names of any bytes', () => {
    const output = Buffer.concat([Buffer.from('a\0'), Buffer.from([0xff, 0xfe]), Buffer.from('\0last')])
    expect(fields(output)).toEqual(['a', '\xff\xfe', 'last'])
    expect(fields(output, (bytes, start) => bytes[start] === 0x61)).toEqual(['a'])
    expect(quoted('plain name')).toBe('plain name')
    expect(quoted('a"b\\c\nd\re')).toBe('"a\\042b\\134c\\012d\\015e"')
  })
})
