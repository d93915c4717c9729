import { access, rm, writeFile } from 'node:fs/promises'

/** One yes or no that outlives the process, as a file that is there or not. */
export class Flag {
  readonly #file: string

  constructor(file: string) {
    this.#file = file
  }

  async read(): Promise<boolean> {
    return access(this.#file).then(
      () => true,
      () => false,
    )
  }

  async set(value: boolean): Promise<void> {
    if (value) await writeFile(this.#file, '', { mode: 0o600 })
    else await rm(this.#file, { force: true })
  }
}
