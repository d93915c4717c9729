import { readdir, readFile, readlink, realpath, rm } from 'node:fs/promises'
import { unlessMissing } from '../../errors.ts'
import { runCommand } from './run-command.ts'

/**
 * Removes those of a server's lock files that no live server of `cluster` stands behind; true if there were any.
 * PostgreSQL itself gives up at two kinds of them, for ever:
 *   one whose pid has since gone to another process of our user, or to a zombie;
 *   one without a pid, from a server killed between making the file and writing it.
 */
export async function removeStaleLocks(files: readonly string[], cluster: string): Promise<boolean> {
  let removed = false
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(unlessMissing(undefined))
    if (text === undefined) continue
    const pid = parsePid(text)
    const isHeld = pid === undefined ? await hasServer(cluster) : await isServerOf(pid, cluster)
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

/** Whether process `pid` is a live server that works in `cluster`. */
export async function isServerOf(pid: number, cluster: string): Promise<boolean> {
  if (process.platform === 'linux') return (await workingDirectory(pid)) === (await realpath(cluster))
  const listed = await runCommand({ file: 'ps', args: ['-o', 'stat=,command=', '-p', String(pid)] }, 5_000)
  return listed.code === 0 && !listed.output.startsWith('Z') && listed.output.includes('postgres')
}

/** Whether any server works in `cluster`: it goes there before it makes its lock files. */
async function hasServer(cluster: string): Promise<boolean> {
  if (process.platform === 'linux') {
    const directory = await realpath(cluster)
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
    const found = await Promise.all(pids.map((pid) => workingDirectory(Number(pid))))
    return found.includes(directory)
  }
  const pattern = `-D ${cluster}`.replace(/[^\w\s/-]/g, '\\$&')
  const { code } = await runCommand({ file: 'pgrep', args: ['-f', '--', pattern] }, 5_000)
  // 1: there is none. Not knowing is no leave to remove anything.
  return code !== 1
}

/** Linux only. Undefined for a process that is gone or not ours to look at; a zombie has none any more. */
function workingDirectory(pid: number): Promise<string | undefined> {
  return readlink(`/proc/${pid}/cwd`).catch(() => undefined)
}
