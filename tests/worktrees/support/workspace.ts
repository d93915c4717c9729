import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { silentLogger } from '../../../daemon/logger.ts'
import { Worktrees, type WorktreesOptions } from '../../../daemon/worktrees/worktrees.ts'

const exec = promisify(execFile)

/** A temporary directory with a home, an origin, a person's clone of it, and an engine. */
export class Workspace {
  readonly dir: string
  readonly env: NodeJS.ProcessEnv
  readonly #engines: Worktrees[] = []

  constructor(dir: string) {
    this.dir = dir
    this.env = {
      PATH: process.env.PATH,
      HOME: join(dir, 'home'),
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_AUTHOR_NAME: 'A Person',
      GIT_AUTHOR_EMAIL: 'person@example.org',
      GIT_COMMITTER_NAME: 'A Person',
      GIT_COMMITTER_EMAIL: 'person@example.org',
    }
  }

  static async open(): Promise<Workspace> {
    const dir = await realpath(await mkdtemp(join(tmpdir(), 'scrum4me-worktrees-')))
    await mkdir(join(dir, 'home'))
    return new Workspace(dir)
  }

  /** With a clone, and the engine of one installation. */
  static async withEngine(): Promise<{ space: Workspace; engine: Worktrees }> {
    const space = await Workspace.open()
    await space.makeClone()
    return { space, engine: space.engine() }
  }

  get origin(): string {
    return join(this.dir, 'origin.git')
  }
  get clone(): string {
    return join(this.dir, 'clone')
  }
  get parent(): string {
    return join(this.dir, 'worktrees')
  }
  get state(): string {
    return join(this.dir, 'state')
  }

  /** stdout of a git command, as a person would run it. */
  async git(dir: string, ...args: string[]): Promise<string> {
    const run = exec('git', ['-C', dir, ...args], { env: this.env, maxBuffer: 1 << 28 })
    run.child.stdin?.end()
    return (await run).stdout.trim()
  }

  async write(path: string, content: string | Buffer): Promise<void> {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, content)
  }

  async commit(dir: string, file: string, content: string): Promise<string> {
    await this.write(join(dir, file), content)
    await this.git(dir, 'add', '--', file)
    await this.git(dir, 'commit', '--quiet', '-m', `change ${file}`)
    return this.git(dir, 'rev-parse', 'HEAD')
  }

  /** origin.git with one commit on its default branch, and a clone of it. */
  async makeClone(branch = 'main'): Promise<void> {
    const seed = join(this.dir, 'seed')
    await mkdir(seed, { recursive: true })
    await this.git(seed, 'init', '--quiet', '-b', branch)
    await this.write(join(seed, 'README.md'), 'hello\n')
    await this.write(join(seed, 'src/a.txt'), 'a\n')
    await this.write(join(seed, 'src/b.txt'), 'b\n')
    await this.write(join(seed, '.gitignore'), 'ignored/\n*.log\n')
    await this.git(seed, 'add', '-A')
    await this.git(seed, 'commit', '--quiet', '-m', 'first')
    await this.git(this.dir, 'clone', '--quiet', '--bare', seed, this.origin)
    await this.git(this.dir, 'clone', '--quiet', this.origin, this.clone)
  }

  /** Puts a new commit on origin's branch without the clone knowing. */
  async pushFromElsewhere(branch = 'main', file = 'elsewhere.txt', content = 'news\n'): Promise<string> {
    const seed = join(this.dir, 'seed')
    const sha = await this.commit(seed, file, content)
    await this.git(seed, 'push', '--quiet', this.origin, `HEAD:refs/heads/${branch}`)
    return sha
  }

  /** Gives origin's main a submodule, which no new worktree has the files of. */
  async pushSubmodule(name: string): Promise<void> {
    const library = join(this.dir, 'library.git')
    await this.git(this.dir, 'clone', '--quiet', '--bare', this.origin, library)
    const seed = join(this.dir, 'seed')
    await this.git(seed, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', library, name)
    await this.git(seed, 'commit', '--quiet', '-m', 'a submodule')
    await this.git(seed, 'push', '--quiet', this.origin, 'HEAD:main')
  }

  engine(options: Partial<WorktreesOptions> = {}): Worktrees {
    const engine = new Worktrees({
      parentDir: this.parent,
      instanceId: 'test-instance',
      stateDir: this.state,
      salvageMaxBytes: 2 ** 30,
      minFreeDiskBytes: 0,
      spares: false,
      logger: silentLogger,
      env: { PATH: process.env.PATH, HOME: this.env.HOME },
      ...options,
    })
    this.#engines.push(engine)
    return engine
  }

  async close(): Promise<void> {
    for (const engine of this.#engines) await engine.stop()
    await rm(this.dir, { recursive: true, force: true })
  }
}
