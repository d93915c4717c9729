import pg from 'pg'

const LOOK_EVERY_MS = 50

/** Reads a machine's `last_seen_at` again and again, as the web app does, and notes every time that it moved. */
export class BeatWatch {
  readonly #client: pg.Client
  readonly #seen: number[] = []
  #stopped = false
  #loop: Promise<void> = Promise.resolve()

  private constructor(client: pg.Client) {
    this.#client = client
  }

  static async start(url: string): Promise<BeatWatch> {
    const client = new pg.Client({ connectionString: url, application_name: 'bench' })
    await client.connect()
    const made = new BeatWatch(client)
    made.#loop = made.#run()
    return made
  }

  /** s between one beat and the next, by the database's clock. Idempotent. */
  async stop(): Promise<number[]> {
    const isFirst = !this.#stopped
    this.#stopped = true
    await this.#loop
    if (isFirst) await this.#client.end()
    return this.#seen.slice(1).map((at, index) => at - (this.#seen[index] ?? at))
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const { rows } = await this.#client.query<{ at: string }>({
        name: 'beat-watch',
        text: 'select extract(epoch from max(last_seen_at)) as at from claude_workers',
      })
      const at = Number(rows[0]?.at)
      if (at !== this.#seen.at(-1)) this.#seen.push(at)
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    }
  }
}
