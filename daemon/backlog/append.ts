import { readDatabaseError } from '../db/database-error.ts'
import type { Prisma, PrismaClient } from '../db/generated/client.ts'
import { DaemonError, notFound } from '../errors.ts'
import { backoff, delay } from '../lifecycle/delay.ts'

/** Where the new item goes; times are the database's. */
export interface Place {
  /** Of its code: `PBI-<number>`. */
  readonly number: number
  readonly sortOrder: number
  readonly now: Date
}

type Transaction = Prisma.TransactionClient

const ATTEMPTS = 12

/**
 * Inserts an item with the product's next number. The product's row is locked first, so that all
 * daemons take turns and the number read afterwards is the newest; NO KEY lets others insert rows
 * that merely refer to the product. A writer that does not take this lock (the web app) can still
 * collide: then the unique index decides and we take the next number.
 */
export async function append<T>(
  prisma: PrismaClient,
  productId: string,
  next: (tx: Transaction) => Promise<Place>,
  insert: (tx: Transaction, place: Place) => Promise<T>,
): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await oneAtATime(prisma, () => inTurn(prisma, productId, next, insert))
    } catch (error) {
      const meaning = readDatabaseError(error)?.meaning
      if (meaning === 'reference') throw vanished(error)
      const collided = meaning === 'unique' || meaning === 'conflict'
      if (!collided || attempt + 1 >= ATTEMPTS) throw error
      await delay(backoff(attempt, 10, 500))
    }
  }
}

function inTurn<T>(
  prisma: PrismaClient,
  productId: string,
  next: (tx: Transaction) => Promise<Place>,
  insert: (tx: Transaction, place: Place) => Promise<T>,
): Promise<T> {
  return prisma.$transaction(async (tx) => {
    await tx.$executeRaw`set local lock_timeout = '5s'`
    const locked = await tx.$executeRaw`select 1 from products where id = ${productId} for no key update`
    if (locked === 0) throw notFound('Product', productId)
    return insert(tx, await next(tx))
  })
}

/** Last create of each client. The pool is small: waiting for a lock may occupy one connection, not all. */
const turns = new WeakMap<PrismaClient, Promise<unknown>>()

function oneAtATime<T>(prisma: PrismaClient, work: () => Promise<T>): Promise<T> {
  const turn = (turns.get(prisma) ?? Promise.resolve()).then(work)
  turns.set(
    prisma,
    turn.catch(() => undefined),
  )
  return turn
}

function vanished(cause: unknown): DaemonError {
  return new DaemonError(
    'CONFLICT',
    'what the new item belongs to was deleted meanwhile',
    'Nothing was created; read the backlog again.',
    cause,
  )
}
