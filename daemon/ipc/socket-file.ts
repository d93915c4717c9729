import { link, lstat, rename, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { codeOf, DaemonError } from '../errors.ts'

/** A file by what it is, not by its name. */
export interface FileIdentity {
  readonly dev: number
  readonly ino: number
}

/** Of file systems that give no socket a second name. */
const CANNOT_LINK: readonly string[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL', 'EMLINK']

export type PathState = 'ours' | 'absent' | 'other'

/**
 * The socket at its well-known path. It is bound under a private name and moved here complete, so
 * that the path never names a socket that does not answer, and is removed only while it is ours.
 */
export class SocketFile {
  readonly path: string
  #own: FileIdentity | undefined

  constructor(path: string) {
    this.path = path
  }

  /**
   * Throws CONFLICT when something lives at the path, a socket that accepts; VALIDATION_ERROR for anything that is
   * no socket. Only a socket that refuses (its owner is dead) may be replaced.
   */
  async checkFree(): Promise<void> {
    const found = await identify(this.path)
    if (found === undefined) return
    if (!found.isSocket) {
      throw new DaemonError(
        // No daemon to wait for: only a person can mend it.
        'VALIDATION_ERROR',
        `${this.path} exists and is no socket; it was left alone`,
        'Move that file away, or set SCRUM4ME_SOCKET to another path',
      )
    }
    if (await accepts(this.path)) {
      throw new DaemonError(
        'CONFLICT',
        `Another process serves ${this.path}; it was left alone`,
        'Stop that process, or set SCRUM4ME_SOCKET to another path',
      )
    }
  }

  /** Moves the bound socket at `from` here, over a dead one. Call `checkFree` before. */
  async publish(from: string): Promise<void> {
    const own = await identify(from)
    await rename(from, this.path)
    this.#own = own
  }

  /** Like `publish`, but never over anything: false when the path is taken in the meantime. */
  async publishIfAbsent(from: string): Promise<boolean> {
    const own = await identify(from)
    try {
      await link(from, this.path)
      await unlink(from)
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false
      if (!CANNOT_LINK.includes(codeOf(error) ?? '')) throw error
      // Leaves a moment in which somebody else could put something there; nobody of ours does without the lock.
      if ((await identify(this.path)) !== undefined) return false
      await rename(from, this.path)
    }
    this.#own = own
    return true
  }

  async state(): Promise<PathState> {
    const found = await identify(this.path)
    if (found === undefined) return 'absent'
    return found.ino === this.#own?.ino && found.dev === this.#own.dev ? 'ours' : 'other'
  }

  async remove(): Promise<void> {
    if (this.#own === undefined || (await this.state()) !== 'ours') return
    await unlink(this.path)
    this.#own = undefined
  }
}

async function identify(path: string): Promise<(FileIdentity & { isSocket: boolean }) | undefined> {
  try {
    const stat = await lstat(path)
    return { dev: stat.dev, ino: stat.ino, isSocket: stat.isSocket() }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** True unless the kernel says that nobody listens: a stopped or busy process still accepts, or its queue is full. */
function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error) => resolve(!['ECONNREFUSED', 'ENOENT'].includes(codeOf(error) ?? '')))
  })
}
