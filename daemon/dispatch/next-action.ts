import { queuedProducts } from '../jobs/read.ts'
import type { Session } from '../sessions/session.ts'
import type { DispatchPorts } from './ports.ts'

/** `wait_for_job_again` while a job exists that this session could claim, else `queue_empty` (contract 6). */
export async function nextAction(
  ports: DispatchPorts,
  session: Session,
  userId: string,
): Promise<'wait_for_job_again' | 'queue_empty'> {
  const [queued, roots] = await Promise.all([
    queuedProducts(ports.rowSql, userId, [], ports.markers()),
    ports.roots.known(session.hello?.repoRoots ?? {}),
  ])
  return queued.some((product) => roots.has(product.productId)) ? 'wait_for_job_again' : 'queue_empty'
}
