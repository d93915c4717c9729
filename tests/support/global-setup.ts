import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { migrationsDir } from '../../daemon/db/migrations-dir.ts'
import { TEMPLATE } from './template.ts'
import { makeTestServer } from './test-server.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Directory of the run's PostgreSQL socket; `support/postgres.ts` is for tests. */
    postgresSocketDir: string
  }
}

/** One PostgreSQL for the whole run, with a migrated template that test databases are cloned from. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await makeTestServer()
  try {
    await server.start()
    await query(server.url('postgres'), `create database ${TEMPLATE}`)
    const directory = await migrationsDir()
    for (const name of (await readdir(directory)).sort()) {
      if (name.endsWith('.toml')) continue
      await query(server.url(TEMPLATE), await readFile(join(directory, name, 'migration.sql'), 'utf8'))
    }
  } catch (error) {
    await server.remove()
    throw error
  }
  project.provide('postgresSocketDir', server.socketDir)
  return () => server.remove()
}

async function query(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
