import type { Prisma } from '../db/generated/client.ts'

/** Sends ids on Scrum4Me's channel; inside a transaction it is delivered at commit. */
export async function notify(
  db: Prisma.TransactionClient,
  payload: Readonly<Record<string, string | null>>,
): Promise<void> {
  await db.$executeRaw`select pg_notify('scrum4me_changes', ${JSON.stringify(payload)})`
}
