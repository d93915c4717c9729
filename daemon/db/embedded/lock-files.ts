import { readdir, readFile, readlink, realpath, rm, stat } from 'node:fs/promises'
import { unlessMissing } from '../../errors.ts'
import { type StandingProcess, workingDirectories } from '../../lifecycle/working-directories.ts'

/**
 * Removes those of a server's lock files that no live server of `cluster` stands behind; true if there were any.
 * PostgreSQL itself gives up at two kinds of them, for ever:
 *   one whose pid has since gone to another process of our user, or to a zombie;
 *   one without a pid, from a server killed between making the file and writing it.
 */
export async function removeStaleLocks(
  files: readonly string[],
  cluster: string,
  platform: NodeJS.Platform = process.platform,
): Promise<boolean> {
  let removed = false
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(unlessMissing(undefined))
    if (text === undefined) continue
    const pid = parsePid(text)
    const isHeld =
      pid === undefined ? await hasServer(cluster, platform) : await isServerOf(pid, cluster, platform)
    if (isHeld) continue
    await rm(file, { force: true })
    removed = true
  }
  return removed
}

/** The pid in a lock file; undefined where there is none. */
export async function readPid(file: string): Promise<number | undefined> {
  return parsePid(await readFile(file, 'utf8').catch(() => ''))
}

function parsePid(text: string): number | undefined {
  const pid = Number.parseInt(text.split('\n')[0] ?? '', 10)
  // Negative for a stand-alone backend.
  return Number.isInteger(pid) && pid !== 0 ? Math.abs(pid) : undefined
}

/** Whether process `pid` is a live server that works in `cluster`. Throws when that cannot be known. */
export async function isServerOf(
  pid: number,
  cluster: string,
  platform: NodeJS.Platform = process.platform,
): Promise<boolean> {
  // A server goes to its cluster before it makes its lock files, and stays there.
  if (platform === 'linux') return (await workingDirectory(pid)) === (await realpath(cluster))
  return isAnyIn(await workingDirectories([pid]), cluster)
}

/** Whether any server works in `cluster`. */
async function hasServer(cluster: string, platform: NodeJS.Platform): Promise<boolean> {
  if (platform !== 'linux') return isAnyIn(await workingDirectories(), cluster)
  const directory = await realpath(cluster)
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(pids.map((pid) => workingDirectory(Number(pid))))
  return found.includes(directory)
}

/** By what the directories are: on macOS one of them has names of any case. */
async function isAnyIn(standing: readonly StandingProcess[], cluster: string): Promise<boolean> {
  const own = await stat(cluster, { bigint: true })
  for (const cwd of new Set(standing.map((one) => one.cwd))) {
    const found = await stat(cwd, { bigint: true }).catch(() => undefined)
    if (found?.ino === own.ino && found.dev === own.dev) return true
  }
  return false
}

/** Linux only. Undefined for a process that is gone or not ours to look at; a zombie has none any more. */
function workingDirectory(pid: number): Promise<string | undefined> {
  return readlink(`/proc/${pid}/cwd`).catch(() => undefined)
}
