import { EMBEDDED_USER } from './cluster.ts'

/** URL of a server that listens in `socketDir`, as node-postgres and libpq accept it. */
export function socketUrl(socketDir: string, database: string): string {
  return `postgresql://${EMBEDDED_USER}@localhost/${encodeURIComponent(database)}?host=${encodeURIComponent(socketDir)}`
}
