import pg from 'pg'

/** What the server counts of one database, asked from another one so that asking does not count. */
export class DatabaseCounters {
  readonly #client: pg.Client

  private constructor(client: pg.Client) {
    this.#client = client
  }

  static async connect(url: string): Promise<DatabaseCounters> {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    return new DatabaseCounters(client)
  }

  async transactions(database: string): Promise<number> {
    const { rows } = await this.#client.query<{ n: string }>(
      'select xact_commit + xact_rollback as n from pg_stat_database where datname = $1',
      [database],
    )
    return Number(rows[0]?.n)
  }

  /** Open connections, those of the bench itself apart. */
  async connections(database: string): Promise<number> {
    const { rows } = await this.#client.query<{ n: string }>(
      `select count(*) as n from pg_stat_activity
        where datname = $1 and backend_type = 'client backend' and application_name <> 'bench'`,
      [database],
    )
    return Number(rows[0]?.n)
  }

  close(): Promise<void> {
    return this.#client.end()
  }
}
