import type { SessionHello } from '../wire/hello.ts'
import { isProcessAlive } from './process-alive.ts'
import type { Session, SessionRef } from './session.ts'

interface Entry {
  ref: SessionRef
  hello: SessionHello | null
  connections: Set<string>
  connectedAt: number
  goneAt: number | null
  goneSince: number | null
  /** Remembered from before a restart and not seen since. */
  restored: boolean
}

export interface RegistryOptions {
  readonly forgetAfterMs?: number
  readonly now?: () => number
  readonly monotonic?: () => number
}

/** How long a session without a job is remembered after its last connection, ms. */
const FORGET_AFTER_MS = 10 * 60_000

/**
 * Who is connected. Identity follows contract 4: the same session id from the same client process is
 * the same session; from another client process it is a session of its own while the first is connected.
 */
export class SessionRegistry {
  readonly #entries = new Map<string, Entry>()
  readonly #forgetAfterMs: number
  readonly #now: () => number
  readonly #monotonic: () => number
  #last: Promise<unknown> = Promise.resolve()

  /** @param options.forgetAfterMs at least as long as a vanished session keeps its job */
  constructor(options: RegistryOptions = {}) {
    this.#forgetAfterMs = Math.max(FORGET_AFTER_MS, options.forgetAfterMs ?? 0)
    this.#now = options.now ?? Date.now
    this.#monotonic = options.monotonic ?? (() => performance.now())
  }

  /** A session known from a stored claim; it counts as gone from now on. */
  restore(ref: SessionRef): void {
    if (this.#entries.has(ref.key)) return
    const now = this.#now()
    this.#entries.set(ref.key, {
      ref,
      hello: null,
      connections: new Set(),
      connectedAt: now,
      goneAt: now,
      goneSince: this.#monotonic(),
      restored: true,
    })
  }

  /** Files a new connection under its session; one after the other, so that two hellos never make two sessions. */
  connect(connection: string, hello: SessionHello): Promise<Session> {
    const filed = this.#last.then(() => this.#connect(connection, hello))
    this.#last = filed.catch(() => undefined)
    return filed
  }

  close(connection: string): void {
    for (const entry of this.#entries.values()) {
      if (!entry.connections.delete(connection) || entry.connections.size > 0) continue
      entry.goneAt = this.#now()
      entry.goneSince = this.#monotonic()
    }
  }

  get(key: string): Session | undefined {
    return this.#entries.get(key)
  }

  all(): Session[] {
    return [...this.#entries.values()]
  }

  get connected(): number {
    let count = 0
    for (const entry of this.#entries.values()) if (entry.goneAt === null) count += 1
    return count
  }

  async #connect(connection: string, hello: SessionHello): Promise<Session> {
    this.#forgetOld()
    const entry = (await this.#match(hello)) ?? this.#create(hello)
    entry.hello = hello
    entry.connections.add(connection)
    entry.goneAt = null
    entry.goneSince = null
    entry.restored = false
    if (hello.clientProcess !== null) entry.ref = { ...entry.ref, clientProcess: hello.clientProcess }
    return entry
  }

  async #match(hello: SessionHello): Promise<Entry | undefined> {
    const known = [...this.#entries.values()].filter((entry) => entry.ref.sessionId === hello.sessionId)
    const same = known.find((entry) => isSameProcess(entry, hello))
    if (same !== undefined) return same
    for (const entry of known) {
      if (entry.goneAt === null) continue
      // After a restart the owner may simply not have reconnected yet: its place stays free while it lives.
      const owner = entry.ref.clientProcess
      if (entry.restored && owner !== null && (await isProcessAlive(owner))) continue
      return entry
    }
    return undefined
  }

  #create(hello: SessionHello): Entry {
    const process = hello.clientProcess
    const plain = hello.sessionId
    const key = this.#entries.has(plain) ? `${plain}#${process?.pid ?? 0}-${process?.startedAt ?? ''}` : plain
    const entry: Entry = {
      ref: { key, sessionId: hello.sessionId, clientProcess: process },
      hello,
      connections: new Set(),
      connectedAt: this.#now(),
      goneAt: null,
      goneSince: null,
      restored: false,
    }
    this.#entries.set(key, entry)
    return entry
  }

  /** Whoever is remembered for so long has lost its job by then: `forgetAfterMs` is longer than the grace. */
  #forgetOld(): void {
    const limit = this.#monotonic() - this.#forgetAfterMs
    for (const [key, entry] of this.#entries) {
      if (entry.goneSince !== null && entry.goneSince < limit) this.#entries.delete(key)
    }
  }
}

function isSameProcess(entry: Entry, hello: SessionHello): boolean {
  const mine = entry.ref.clientProcess
  const theirs = hello.clientProcess
  if (mine === null || theirs === null) return true
  return mine.pid === theirs.pid && mine.startedAt === theirs.startedAt
}
