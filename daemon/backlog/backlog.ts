import type { Caller } from '../backend/caller.ts'
import type { PrismaClient } from '../db/generated/client.ts'

/** The backlog as one user may see and change it. */
export interface Backlog {
  readonly prisma: PrismaClient
  readonly caller: Caller
}
