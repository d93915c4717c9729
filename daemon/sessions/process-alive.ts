import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import type { ClientProcess } from '../wire/hello.ts'

/**
 * Whether the very process that a hello named still runs. A pid alone proves nothing: it may have
 * been given to another process since, hence the start time.
 */
export async function isProcessAlive(process: ClientProcess): Promise<boolean> {
  const startedAt = await startOf(process.pid)
  return startedAt !== null && startedAt === process.startedAt
}

/** Whether any process has this pid (a zombie does not count). */
export async function isPidAlive(pid: number): Promise<boolean> {
  return (await startOf(pid)) !== null
}

async function startOf(pid: number): Promise<string | null> {
  if (process.platform === 'linux') {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null)
    if (stat === null) return null
    // The second field is the command in parentheses and may contain anything; count from its end.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null)
  }
  return new Promise((resolve) => {
    execFile('ps', ['-o', 'lstart=', '-p', String(pid)], { timeout: 2000 }, (error, stdout) => {
      resolve(error || stdout.trim() === '' ? null : stdout.trim())
    })
  })
}
