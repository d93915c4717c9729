import { dirname, join } from 'node:path'
import { DaemonError, messageOf } from '../errors.ts'
import { type KernelLock, takeKernelLock } from '../lock/kernel-lock.ts'
import type { Logger } from '../logger.ts'
import type { Paths } from '../paths.ts'
import { checkPrivateDirectory } from '../wire/check-private-directory.ts'
import { MAX_SOCKET_PATH_BYTES } from '../wire/protocol.ts'
import { type Listener, type ListenerHandlers, listen } from './listener.ts'
import { SocketFile } from './socket-file.ts'

export interface PublishedSocketOptions {
  readonly paths: Pick<Paths, 'home' | 'socket' | 'runDir'>
  readonly maxConnections: number
  readonly handlers: ListenerHandlers
  readonly logger: Logger
  /** The path leads to another process now. */
  onReplaced(detail: string): void
}

/**
 * The listening socket at its well-known path: complete from its first moment there, put back when
 * somebody deletes it, never put over another's, removed only while it is ours.
 */
export class PublishedSocket {
  readonly #options: PublishedSocketOptions
  readonly #file: SocketFile
  #pathLock: KernelLock | undefined
  /** The last one is at the path; earlier ones lost their name and only serve standing connections. */
  #listeners: Listener[] = []
  #bound = 0
  #checking: Promise<void> | undefined
  #isReplaced = false
  #withdrawn = false

  constructor(options: PublishedSocketOptions) {
    this.#options = options
    this.#file = new SocketFile(options.paths.socket)
  }

  /** Throws a DaemonError, with nothing left behind, when the path is taken or not private. */
  async publish(): Promise<void> {
    const { socket, home } = this.#options.paths
    await checkPrivateDirectory(dirname(socket), { home })
    await this.#lockPath()
    try {
      await this.#file.checkFree()
      const { path } = await this.#listen()
      await this.#file.publish(path)
    } catch (error) {
      await this.close()
      throw error
    }
  }

  /** Looks whether the path still leads to us, and mends it if nothing is there. Never throws. */
  check(): Promise<void> {
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined
    })
    return this.#checking
  }

  /** Nobody new gets in; standing connections go on. */
  async withdraw(): Promise<void> {
    this.#withdrawn = true
    await this.#checking
    await this.#file.remove()
    for (const listener of this.#listeners) listener.stopAccepting()
  }

  /** Destroys what still stands and gives the path free. */
  async close(): Promise<void> {
    for (const listener of this.#listeners.splice(0)) listener.stop()
    await this.#pathLock?.release()
    this.#pathLock = undefined
  }

  async #check(): Promise<void> {
    const { logger, paths, onReplaced } = this.#options
    try {
      let state = await this.#file.state()
      if (state === 'absent' && !this.#withdrawn) {
        state = (await this.#publishAgain()) ? 'ours' : 'other'
        if (state === 'ours') logger.warn('the socket had been deleted and is back')
      }
      if (state === 'other' && !this.#isReplaced) {
        logger.error('another process serves our socket path')
        onReplaced(`${paths.socket} belongs to another process`)
      }
      this.#isReplaced = state === 'other'
    } catch (error) {
      logger.error({ err: messageOf(error) }, 'the socket path cannot be checked')
    }
  }

  async #publishAgain(): Promise<boolean> {
    const old = this.#listeners.at(-1)
    const { path, listener } = await this.#listen()
    if (await this.#file.publishIfAbsent(path)) {
      old?.stopAccepting()
      return true
    }
    this.#listeners.pop()
    listener.stop()
    return false
  }

  /** A socket outside our run directory is not covered by the instance lock: two homes may name it. */
  async #lockPath(): Promise<void> {
    const { socket, runDir } = this.#options.paths
    if (dirname(socket) === runDir) return
    const lock = await takeKernelLock(`${socket}.lock`)
    if (lock === null) {
      throw new DaemonError(
        'CONFLICT',
        `Another daemon, with another home, serves ${socket}; it was left alone`,
        'Give each home a socket of its own with SCRUM4ME_SOCKET, or stop the other daemon',
      )
    }
    this.#pathLock = lock
  }

  /** Binds a private name beside the path. */
  async #listen(): Promise<{ path: string; listener: Listener }> {
    const { paths, maxConnections, handlers } = this.#options
    this.#bound += 1
    const path = join(dirname(paths.socket), `.s${process.pid.toString(36)}.${this.#bound}`)
    if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
      throw new DaemonError(
        'VALIDATION_ERROR',
        `The directory of ${paths.socket} has too long a name for a socket`,
        'Set SCRUM4ME_SOCKET to a shorter path',
      )
    }
    const listener = await listen(path, maxConnections, handlers)
    this.#listeners.push(listener)
    return { path, listener }
  }
}
