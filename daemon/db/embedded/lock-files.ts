import { readFile, rm, stat } from 'node:fs/promises'
import { unlessMissing } from '../../errors.ts'
import { standingProcesses } from '../../lifecycle/standing-processes.ts'

/**
 * Removes those of a server's lock files that no live server of `cluster` stands behind; true if there were any.
 * PostgreSQL itself gives up at two kinds of them, for ever:
 *   one whose pid has since gone to another process of our user, or to a zombie;
 *   one without a pid, from a server killed between making the file and writing it.
 */
export async function removeStaleLocks(
  files: readonly string[],
  cluster: string,
  platform?: NodeJS.Platform,
): Promise<boolean> {
  let removed = false
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(unlessMissing(undefined))
    if (text === undefined) continue
    const pid = parsePid(text)
    if (await hasServer(cluster, pid === undefined ? undefined : [pid], platform)) continue
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
export function isServerOf(pid: number, cluster: string): Promise<boolean> {
  return hasServer(cluster, [pid])
}

/** Whether any process, or one of `pids`, works in `cluster`: a server goes there before it makes its lock files. */
async function hasServer(
  cluster: string,
  pids?: readonly number[],
  platform?: NodeJS.Platform,
): Promise<boolean> {
  const own = await stat(cluster, { bigint: true })
  // By what the directories are: on macOS one of them has names of any case.
  const isCluster = async (cwd: string) => {
    const found = await stat(cwd, { bigint: true }).catch(() => undefined)
    return found?.ino === own.ino && found.dev === own.dev
  }
  return (await standingProcesses(isCluster, pids, platform)).length > 0
}
