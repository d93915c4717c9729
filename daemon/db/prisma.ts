import { createHash } from 'node:crypto'
import type { PrismaClient } from './generated/client.ts'
import type { Pools } from './pools.ts'

/**
 * Prisma over the backlog pool, loaded on first use: it takes a third of a second and some 20 MB that neither
 * the socket's first answer nor a claim should wait for. One client for the life of `pools`.
 */
export class LazyPrisma {
  readonly #pools: Pools
  #client: Promise<PrismaClient> | undefined

  constructor(pools: Pools) {
    this.#pools = pools
  }

  /** Opens no connection. A failed load is tried again by the next caller. */
  get(): Promise<PrismaClient> {
    this.#client ??= load(this.#pools).catch((error: unknown) => {
      this.#client = undefined
      throw error
    })
    return this.#client
  }

  /** Leaves the pool open, which is its owner's to end. */
  async close(): Promise<void> {
    const client = await this.#client?.catch(() => undefined)
    await client?.$disconnect()
  }
}

async function load(pools: Pools): Promise<PrismaClient> {
  const [{ PrismaPg }, { PrismaClient }] = await Promise.all([
    import('@prisma/adapter-pg'),
    import('./generated/client.ts'),
  ])
  const { schema } = pools.url
  const adapter = new PrismaPg(pools.backlog, {
    ...(schema === undefined ? {} : { schema }),
    // Planning is most of a short statement's time. Behind a pooler a name could be another backend's.
    statementNameGenerator: ({ sql }) => (pools.direct === true ? statementName(sql) : ''),
  })
  // A caller that waits for a connection or in a transaction is answered within the contract's 10 s.
  return new PrismaClient({ adapter, transactionOptions: { maxWait: 8_000, timeout: 9_000 } })
}

/** Names must differ whenever texts do: node-postgres refuses one name for two texts. */
function statementName(sql: string): string {
  return createHash('sha1').update(sql).digest('base64url')
}
