import { readdir, readFile, readlink } from 'node:fs/promises'
import { workingDirectories } from './working-directories.ts'

export interface Standing {
  readonly pid: number
  readonly name: string
}

/**
 * Processes, of `pids` or of all, whose working directory (a real path) is one that is meant. Those of other users are
 * invisible unless we are root; a zombie stands nowhere. Throws when they cannot be known.
 */
export async function standingProcesses(
  isMeant: (cwd: string) => boolean | Promise<boolean>,
  pids?: readonly number[],
  platform: NodeJS.Platform = process.platform,
): Promise<Standing[]> {
  const found =
    platform === 'linux'
      ? (pids ?? (await allPids())).map((pid) => standingInProc(pid, isMeant))
      : (await workingDirectories(pids)).map(async ({ pid, name, cwd }) =>
          (await isMeant(cwd)) ? [{ pid, name }] : [],
        )
  return (await Promise.all(found)).flat()
}

async function allPids(): Promise<number[]> {
  return (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
}

async function standingInProc(
  pid: number,
  isMeant: (cwd: string) => boolean | Promise<boolean>,
): Promise<Standing[]> {
  // Gone meanwhile, a zombie, or not ours to see.
  const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => null)
  if (cwd === null || !(await isMeant(cwd))) return []
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '?')
  return [{ pid, name: name.trim() }]
}
