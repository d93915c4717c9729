import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../errors.ts'

/**
 * A directory of small JSON records, one file each, replaced atomically: a crash leaves the old
 * record or the new one, never half of one. Writes to one id happen in the order they were asked for.
 */
export class RecordStore<T> {
  readonly #directory: string
  readonly #parse: (value: unknown) => T | undefined
  readonly #durable: boolean
  readonly #tails = new Map<string, Promise<void>>()
  #serial = 0

  /**
   * @param parse turns a file's JSON into a record; undefined for what this version cannot read
   * @param options.durable flush to the disk before a write counts: a power cut leaves a whole record, for some
   *   seconds perhaps the old one (`settle`)
   */
  constructor(
    directory: string,
    parse: (value: unknown) => T | undefined,
    options: { durable?: boolean } = {},
  ) {
    this.#directory = directory
    this.#parse = parse
    this.#durable = options.durable ?? false
  }

  /** All readable records by id, and the names of files that could not be read (left in place). */
  async load(): Promise<{ records: Map<string, T>; unreadable: string[] }> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    const records = new Map<string, T>()
    const unreadable: string[] = []
    for (const name of await readdir(this.#directory)) {
      if (name.includes('.tmp-')) {
        await rm(join(this.#directory, name), { force: true })
        continue
      }
      if (!name.endsWith('.json')) continue
      const record = this.#parse(await readJson(join(this.#directory, name)))
      if (record === undefined) unreadable.push(name)
      else records.set(name.slice(0, -'.json'.length), record)
    }
    return { records, unreadable }
  }

  put(id: string, record: T): Promise<void> {
    // Serialised now: the caller may change the object while the write waits its turn.
    const text = `${JSON.stringify(record)}\n`
    return this.#inOrder(id, () => this.#write(id, text))
  }

  /** Resolves when no power cut brings back what was replaced before. Rejects where a file system cannot be asked. */
  async settle(): Promise<void> {
    const handle = await open(this.#directory)
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  }

  delete(id: string): Promise<void> {
    return this.#inOrder(id, () => rm(this.#file(id), { force: true }))
  }

  async #write(id: string, text: string): Promise<void> {
    const target = this.#file(id)
    this.#serial += 1
    const temporary = `${target}.tmp-${this.#serial}`
    try {
      const handle = await open(temporary, 'w', 0o600)
      try {
        await handle.writeFile(text)
        if (this.#durable) await handle.datasync()
      } finally {
        await handle.close()
      }
      await rename(temporary, target)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
  }

  #inOrder(id: string, step: () => Promise<void>): Promise<void> {
    const before = this.#tails.get(id) ?? Promise.resolve()
    const after = before.then(step, step)
    this.#tails.set(id, after)
    const forget = () => {
      if (this.#tails.get(id) === after) this.#tails.delete(id)
    }
    after.then(forget, forget)
    return after
  }

  #file(id: string): string {
    if (!/^[A-Za-z0-9_-]{1,128}$/.test(id)) throw new Error(`not a record id: ${JSON.stringify(id)}`)
    return join(this.#directory, `${id}.json`)
  }
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    // A directory of that name is no record, whoever made it; what may not be read is one, and must not be passed over.
    const code = codeOf(error)
    if (code === 'ENOENT' || code === 'EISDIR' || error instanceof SyntaxError) return undefined
    throw error
  }
}
