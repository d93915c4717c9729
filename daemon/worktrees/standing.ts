import { readdir, readFile, readlink } from 'node:fs/promises'
import { runChild } from './git/run-child.ts'

export interface Standing {
  readonly pid: number
  readonly name: string
}

/**
 * Processes whose working directory is at or below `path` (a real path). Those of other users are
 * invisible unless we are root; they could not write into our worktree either.
 */
export async function processesIn(
  path: string,
  env: Readonly<Record<string, string>>,
  platform: NodeJS.Platform = process.platform,
): Promise<Standing[]> {
  return platform === 'linux' ? fromProc(path) : fromLsof(path, env)
}

async function fromProc(path: string): Promise<Standing[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(
    pids.map(async (pid) => {
      // Gone meanwhile, a zombie, or not ours to see.
      const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => null)
      if (cwd === null || !isWithin(path, cwd)) return []
      const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '?')
      return [{ pid: Number(pid), name: name.trim() }]
    }),
  )
  return found.flat()
}

async function fromLsof(path: string, env: Readonly<Record<string, string>>): Promise<Standing[]> {
  const { stdout } = await runChild({
    command: 'lsof',
    args: ['-w', '-n', '-P', '-d', 'cwd', '-F', 'pcn'],
    cwd: '/',
    env: { ...env, PATH: `${env.PATH ?? ''}:/usr/sbin:/usr/bin` },
    deadlineMs: 20_000,
  })
  return parseLsof(stdout.toString()).flatMap(({ cwd, ...standing }) =>
    isWithin(path, cwd) ? [standing] : [],
  )
}

/** Parses `lsof -F pcn`: one field a line, its kind in the first letter; `p` begins a process. */
export function parseLsof(output: string): (Standing & { readonly cwd: string })[] {
  const found: (Standing & { readonly cwd: string })[] = []
  let pid = 0
  let name = '?'
  for (const line of output.split('\n')) {
    const value = line.slice(1)
    if (line.startsWith('p')) pid = Number(value)
    else if (line.startsWith('c')) name = value
    else if (line.startsWith('n')) found.push({ pid, name, cwd: value })
  }
  return found
}

function isWithin(parent: string, path: string): boolean {
  return path === parent || path.startsWith(`${parent}/`)
}
