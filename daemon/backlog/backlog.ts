import type { PrismaClient } from '../db/generated/client.ts'

/** Whom a call acts for: the user behind the machine's API token. */
export interface Caller {
  readonly userId: string
  readonly tokenId: string
  readonly isDemo: boolean
}

/** The backlog as one user may see and change it. */
export interface Backlog {
  readonly prisma: PrismaClient
  readonly caller: Caller
}
