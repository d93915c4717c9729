import { mkdir, symlink } from 'node:fs/promises'
import { dirname, isAbsolute, join, normalize, relative } from 'node:path'
import { messageOf } from '../errors.ts'
import type { Engine } from './engine.ts'
import { runChild } from './git/run-child.ts'
import { lstatOrNull } from './lstat-or-null.ts'

/** What the user's own agent configuration wants in a fresh worktree; never taken from a repository. */
export interface PreparePlan {
  /** Paths relative to the repo root. */
  readonly copy: readonly string[]
  readonly link: readonly string[]
  /** Program and arguments, run in the worktree; null: none. */
  readonly command: readonly string[] | null
  readonly timeoutSeconds: number
}

const COPY_DEADLINE_MS = 600_000

export interface Prepared {
  readonly warnings: readonly string[]
  /** Paths below the worktree that were copied or linked. */
  readonly brought: readonly string[]
}

/** Copies, links, then runs the command. What fails is a warning: the job goes on without it. */
export async function prepare(
  engine: Engine,
  plan: PreparePlan,
  repoRoot: string,
  path: string,
  signal: AbortSignal,
): Promise<Prepared> {
  const warnings: string[] = []
  const brought: string[] = []
  for (const [verb, names] of [
    ['copied', plan.copy],
    ['linked', plan.link],
  ] as const) {
    for (const given of names) {
      const name = normalize(given).replace(/\/+$/, '')
      const why = await bring(engine, verb, join(repoRoot, name), path, name, signal)
      if (why === null) brought.push(name)
      else warnings.push(`preparation: ${name} was not ${verb}: ${why}`)
    }
  }
  if (plan.command !== null && !signal.aborted) {
    const why = await runCommand(engine, plan.command, plan.timeoutSeconds, path, signal)
    if (why !== null) warnings.push(`preparation: the command ${why}`)
  }
  return { warnings, brought }
}

async function bring(
  engine: Engine,
  verb: 'copied' | 'linked',
  source: string,
  root: string,
  name: string,
  signal: AbortSignal,
): Promise<string | null> {
  if (isAbsolute(name) || /^(\.|\.\.(\/.*)?|\.git(\/.*)?)$/.test(name)) return 'it is not inside the clone'
  if ((await lstatOrNull(source)) === null) return 'it is not there'
  const target = join(root, name)
  if ((await lstatOrNull(target)) !== null) return 'the repository has something there already'
  // The repository may have a link there that leads out of the worktree.
  if (!(await leadsInside(root, dirname(target)))) return 'its directory is a link in this repository'
  await mkdir(dirname(target), { recursive: true })
  if (verb === 'linked') {
    await symlink(source, target)
    return null
  }
  const { code, stderr } = await runChild({
    command: 'cp',
    args: ['-a', source, target],
    cwd: '/',
    env: engine.childEnv,
    signal,
    deadlineMs: COPY_DEADLINE_MS,
  })
  return code === 0 ? null : `cp said ${lastWords(stderr)}`
}

/** True when every existing directory from `root` down to `directory` is a real one. */
async function leadsInside(root: string, directory: string): Promise<boolean> {
  let at = root
  for (const part of relative(root, directory).split('/')) {
    if (part === '') continue
    at = join(at, part)
    const there = await lstatOrNull(at)
    if (there === null) return true
    if (!there.isDirectory()) return false
  }
  return true
}

async function runCommand(
  engine: Engine,
  command: readonly string[],
  timeoutSeconds: number,
  path: string,
  signal: AbortSignal,
): Promise<string | null> {
  const [program = 'true', ...args] = command
  try {
    const result = await runChild({
      command: 'sh',
      args: ['-c', `umask ${engine.umask.toString(8)} && exec "$@"`, 'sh', program, ...args],
      cwd: path,
      env: engine.childEnv,
      signal,
      deadlineMs: timeoutSeconds * 1000,
    })
    if (result.ended === 'deadline') return `took longer than ${timeoutSeconds} s and was ended`
    if (result.code === 0) return null
    return `ended with ${result.code ?? 'a signal'}: ${lastWords(result.stderr || result.stdout.toString())}`
  } catch (error) {
    return `could not be started: ${messageOf(error)}`
  }
}

function lastWords(text: string): string {
  return text.trim().slice(-300)
}
