import { readdir, stat, writeFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import type { Engine } from '../engine.ts'
import { runChild } from '../git/run-child.ts'
import { systemTools } from '../system-tools.ts'
import { readable } from './bytes.ts'
import type { SaveCommits } from './restore.ts'
import type { WorktreeGit } from './worktree-git.ts'

/** Unpacks nested repositories and submodules as they were, and makes submodules point to each other again. */
export async function unpackBundles(
  engine: Engine,
  git: WorktreeGit,
  save: SaveCommits,
  scratch: string,
): Promise<void> {
  const { adminDir, path } = git.place
  const { manifest } = save
  for (const bundle of manifest.bundles) {
    const into = bundle.kind === 'modules' ? adminDir : (path ?? '')
    const file = join(scratch, 'bundle.tar')
    await git.toFile(file, 'cat-file', 'blob', `${save.state}:${bundle.name}`)
    const { code, stderr } = await runChild({
      command: 'tar',
      args: ['-C', into, '-xpf', file],
      cwd: '/',
      env: systemTools(engine.childEnv),
      signal: engine.stopping,
      deadlineMs: 1_800_000,
    })
    if (code !== 0)
      throw new Error(`tar could not unpack ${readable(bundle.path)}: ${stderr.trim().slice(-300)}`)
  }
  if (manifest.bundles.some((bundle) => bundle.kind === 'modules') && manifest.path !== null) {
    await relink(engine, git, join(adminDir, 'modules'), manifest.path, manifest.adminDir)
  }
}

/** A submodule and its git directory name each other by relative paths, which changed with the worktree's place. */
async function relink(
  engine: Engine,
  git: WorktreeGit,
  modules: string,
  oldPath: string,
  oldAdminDir: string,
): Promise<void> {
  const { adminDir, path } = git.place
  for (const entry of await readdir(modules, { withFileTypes: true }).catch(() => [])) {
    if (!entry.isDirectory()) continue
    const gitDir = join(modules, entry.name)
    if ((await stat(join(gitDir, 'HEAD')).catch(() => null)) === null) {
      await relink(engine, git, gitDir, oldPath, oldAdminDir)
      continue
    }
    const config = join(gitDir, 'config')
    const call = { dir: adminDir, signal: engine.stopping }
    const worktree = await engine.git.text(
      { ...call, expect: [0, 1] },
      'config',
      '--file',
      config,
      'core.worktree',
    )
    if (worktree !== '') {
      const oldGitDir = join(oldAdminDir, relative(adminDir, gitDir))
      const inside = relative(oldPath, resolve(oldGitDir, worktree))
      const files = join(path ?? '', inside)
      if (!inside.startsWith('..')) {
        await engine.git.run(call, 'config', '--file', config, 'core.worktree', relative(gitDir, files))
        // One without work of its own has no files here; `git submodule update` brings them from its git directory.
        const isUnpacked = (await stat(join(files, '.git')).catch(() => null)) !== null
        if (isUnpacked) await writeFile(join(files, '.git'), `gitdir: ${relative(files, gitDir)}\n`)
      }
    }
    await relink(engine, git, join(gitDir, 'modules'), oldPath, oldAdminDir)
  }
}
