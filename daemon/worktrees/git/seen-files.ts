import { createHash } from 'node:crypto'
import { ABSENT, fileStamp } from './file-stamp.ts'
import { readPlainFile } from './read-plain-file.ts'

/** Of what cannot be read. */
const ODD = 'odd'

interface Seen {
  readonly digest: string
  /** Equal: nobody has written since; null: nothing can be told from it. */
  stamp: string | null
}

/** What some small files said when they were looked at, whether they were there or not. */
export class SeenFiles {
  readonly #essence: (text: string) => string
  readonly #seen: ReadonlyMap<string, Seen>

  private constructor(essence: (text: string) => string, seen: ReadonlyMap<string, Seen>) {
    this.#essence = essence
    this.#seen = seen
  }

  /** `essence`: what counts of a file's text. */
  static async look(files: readonly string[], essence: (text: string) => string): Promise<SeenFiles> {
    const seen = files.map(async (file) => [file, await look(file, essence)] as const)
    return new SeenFiles(essence, new Map(await Promise.all(seen)))
  }

  has(file: string): boolean {
    return this.#seen.has(file)
  }

  /** False also when one of them is nothing that can be compared. */
  async sayTheSame(): Promise<boolean> {
    const same = [...this.#seen].map(([file, seen]) => this.#saysTheSame(file, seen))
    return (await Promise.all(same)).every((one) => one)
  }

  async #saysTheSame(file: string, seen: Seen): Promise<boolean> {
    if (seen.digest === ODD) return false
    if (seen.stamp !== null && seen.stamp === (await fileStamp(file))) return true
    const now = await look(file, this.#essence)
    if (now.digest !== seen.digest) return false
    seen.stamp = now.stamp
    return true
  }
}

async function look(file: string, essence: (text: string) => string): Promise<Seen> {
  // First: whoever writes in between changes it.
  const stamp = await fileStamp(file)
  const text = await readPlainFile(file)
  const digest = text === null ? ODD : createHash('sha256').update(essence(text)).digest('hex')
  // It came and went: what it said counts for nothing that is still there.
  return { digest, stamp: stamp === ABSENT && text !== '' ? null : stamp }
}
