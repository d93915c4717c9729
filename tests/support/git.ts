import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Runs git as a person would, with an identity and no configuration of this machine; resolves to trimmed stdout. */
export function git(cwd: string, ...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = {
      PATH: process.env.PATH,
      HOME: cwd,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_AUTHOR_NAME: 'Person',
      GIT_AUTHOR_EMAIL: 'person@example.invalid',
      GIT_COMMITTER_NAME: 'Person',
      GIT_COMMITTER_EMAIL: 'person@example.invalid',
    }
    execFile('git', args, { cwd, env, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`git ${args.join(' ')}: ${stderr}`))
      else resolve(stdout.trim())
    })
  })
}

export interface CloneWithOrigin {
  readonly origin: string
  readonly clone: string
}

/** A bare `origin` with one commit on `main`, and a clone of it. */
export async function cloneWithOrigin(dir: string, name = 'project'): Promise<CloneWithOrigin> {
  const origin = join(dir, `${name}.git`)
  const clone = join(dir, name)
  await mkdir(dir, { recursive: true })
  await git(dir, 'init', '-q', '--bare', '-b', 'main', origin)
  await git(dir, 'clone', '-q', origin, clone)
  await git(clone, 'checkout', '-q', '-B', 'main')
  await writeFile(join(clone, 'README.md'), `# ${name}\n`)
  await git(clone, 'add', '.')
  await git(clone, 'commit', '-q', '-m', 'First commit')
  await git(clone, 'push', '-q', '-u', 'origin', 'main')
  await git(clone, 'remote', 'set-head', 'origin', 'main')
  return { origin, clone }
}

/** Commits one file to a bare repository's branch, as a person elsewhere would; resolves to the new tip. */
export async function commitFile(bare: string, name: string, text: string, branch = 'main'): Promise<string> {
  const tmp = await mkdtemp(join(tmpdir(), 's4m-person-'))
  try {
    await git(tmp, 'clone', '-q', '-b', branch, bare, 'clone')
    const clone = join(tmp, 'clone')
    await writeFile(join(clone, name), text)
    await git(clone, 'add', '.')
    await git(clone, 'commit', '-q', '-m', `Change ${name}`)
    await git(clone, 'push', '-q', 'origin', branch)
    return await git(clone, 'rev-parse', 'HEAD')
  } finally {
    await rm(tmp, { recursive: true, force: true })
  }
}
