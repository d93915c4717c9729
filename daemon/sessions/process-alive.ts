import type { ClientProcess } from '../wire/hello.ts'
import { readProcess } from '../wire/read-process.ts'

/**
 * Whether the very process that a hello named still runs. A pid alone proves nothing: it may have
 * been given to another process since, hence the start time.
 */
export async function isProcessAlive(client: ClientProcess): Promise<boolean> {
  return (await readProcess(client.pid))?.startedAt === client.startedAt
}

/** Whether any process has this pid (a zombie does not count). */
export async function isPidAlive(pid: number): Promise<boolean> {
  return (await readProcess(pid)) !== null
}
