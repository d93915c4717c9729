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

  /** Transactions since the database was made, in the order of the names. */
  transactions(databases: readonly string[]): Promise<number[]> {
    return this.#each(
      databases,
      'select (select xact_commit + xact_rollback from pg_stat_database where datname = name) as n',
    )
  }

  /** Open connections, those of the bench itself apart. */
  connections(databases: readonly string[]): Promise<number[]> {
    return this.#each(
      databases,
      `select (select count(*) from pg_stat_activity
                where datname = name and backend_type = 'client backend' and application_name <> 'bench') as n`,
    )
  }

  async #each(databases: readonly string[], select: string): Promise<number[]> {
    const text = `${select} from unnest($1::text[]) with ordinality as d(name, place) order by place`
    const { rows } = await this.#client.query<{ n: string }>(text, [databases])
    return rows.map(({ n }) => Number(n))
  }

  close(): Promise<void> {
    return this.#client.end()
  }
}
