import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import type pg from 'pg'
import { codeOf, DaemonError } from '../errors.ts'
import { VERSION } from '../version.ts'
import { dumpSql } from './dump-sql.ts'

/**
 * Writes everything in the database to `file` (0600: it holds e-mail addresses and token hashes), as SQL
 * that any PostgreSQL 13 or newer loads. The file appears when it is complete. Returns its size in bytes.
 */
export async function dumpDatabase(pool: Pick<pg.Pool, 'connect'>, file: string): Promise<number> {
  const scratch = `${file}.${process.pid}.part`
  const handle = await openForWriting(scratch, file)
  try {
    const bytes = await writeAll(pool, handle)
    await handle.sync()
    await handle.close()
    await rename(scratch, file)
    return bytes
  } catch (error) {
    await handle.close().catch(() => undefined)
    await rm(scratch, { force: true })
    throw error
  }
}

async function writeAll(pool: Pick<pg.Pool, 'connect'>, handle: FileHandle): Promise<number> {
  const client = await pool.connect()
  try {
    let bytes = 0
    const title = `scrum4me-daemon ${VERSION}, ${new Date().toISOString()}`
    for await (const piece of dumpSql(client, title)) {
      bytes += Buffer.byteLength(piece)
      await handle.writeFile(piece)
    }
    return bytes
  } finally {
    client.release(true)
  }
}

async function openForWriting(scratch: string, file: string): Promise<FileHandle> {
  try {
    return await open(scratch, 'w', 0o600)
  } catch (error) {
    throw new DaemonError(
      'VALIDATION_ERROR',
      `${file} cannot be written (${codeOf(error) ?? 'unknown error'})`,
      'Name a file in a directory that exists and that the daemon may write to.',
      error,
    )
  }
}
