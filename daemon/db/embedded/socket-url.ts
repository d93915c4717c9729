import { EMBEDDED_USER } from './cluster.ts'

/**
 * URL of a server that listens in `socketDir`, as node-postgres and libpq accept it. It says port and TLS, too:
 * what it left out, a client would take from PGPORT and PGSSLMODE of its environment.
 */
export function socketUrl(socketDir: string, database: string): string {
  return `postgresql://${EMBEDDED_USER}@localhost:5432/${encodeURIComponent(database)}?host=${encodeURIComponent(socketDir)}&sslmode=disable`
}
