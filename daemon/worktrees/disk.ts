import { statfs } from 'node:fs/promises'
import type { Git } from './git/git.ts'

/** Bytes that this user may still write on the file system of `path`. */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path)
  return bavail * bsize
}

const DEADLINE_MS = 600_000
/** It could not be started, or whoever ran it is gone. */
const UNKNOWN = { code: null, stdout: Buffer.alloc(0) }

/** Counts and deletes directory trees in child processes of low priority: a big tree would keep our few I/O threads busy. */
export class Disk {
  readonly #git: Pick<Git, 'child'>
  readonly #env: Readonly<Record<string, string>>

  constructor(git: Pick<Git, 'child'>, env: Readonly<Record<string, string>>) {
    this.#git = git
    this.#env = env
  }

  /** Bytes on disk below `path`; null when they cannot be counted. */
  async usedBytes(path: string, signal?: AbortSignal): Promise<number | null> {
    const { stdout } = await this.#nice(['du', '-sk', path], signal)
    const match = /^(\d+)\s/.exec(stdout.toString())
    return match?.[1] === undefined ? null : Number(match[1]) * 1024
  }

  /** Deletes a tree; false when something of it is left. */
  async deleteTree(path: string, signal?: AbortSignal): Promise<boolean> {
    const first = await this.#nice(['rm', '-rf', path], signal)
    if (first.code === 0) return true
    if (signal?.aborted) return false
    // Read-only directories (module caches) hold on to their entries.
    await this.#nice(['chmod', '-R', 'u+rwX', path], signal)
    return (await this.#nice(['rm', '-rf', path], signal)).code === 0
  }

  #nice(command: readonly string[], signal: AbortSignal | undefined) {
    const call = { command: 'nice', args: ['-n', '15', ...command], cwd: '/', env: this.#env, signal }
    return this.#git.child({ ...call, deadlineMs: DEADLINE_MS }).catch(() => UNKNOWN)
  }
}
