import { requireWriter, visibleTo } from '../backlog/access.ts'
import type { Backlog } from '../backlog/backlog.ts'
import { dispatchJob } from '../backlog/dispatch-job.ts'
import { DaemonError, notFound } from '../errors.ts'
import type { ControlMethod } from './control-method.ts'
import { Params } from './params.ts'

/** `{ task }`, an id or a code → `{ job_id, status, task_id, code, title, product_id, product }`. */
export const enqueueMethod: ControlMethod = {
  name: 'enqueue',
  async call(params, context) {
    const wanted = new Params(params).text('task', 200).trim()
    const backlog = await context.backlog()
    requireWriter(backlog.caller)
    const task = await findTask(backlog, wanted)
    return {
      job_id: (await dispatchJob(backlog, task.id)).jobId,
      status: 'queued',
      task_id: task.id,
      code: task.code,
      title: task.title,
      product_id: task.product_id,
      product: task.product.name,
    }
  },
}

async function findTask({ prisma, caller }: Backlog, wanted: string) {
  const tasks = await prisma.task.findMany({
    where: {
      OR: [{ id: wanted }, { code: { equals: wanted, mode: 'insensitive' } }],
      product: { archived: false, ...visibleTo(caller) },
    },
    select: { id: true, code: true, title: true, product_id: true, product: { select: { name: true } } },
    take: 20,
  })
  const exact = tasks.find((task) => task.id === wanted)
  const [first, second] = exact === undefined ? tasks : [exact]
  if (first === undefined) throw notFound('Task', wanted)
  if (second !== undefined) {
    const list = tasks.map((task) => `${task.id} (${task.product.name})`).join(', ')
    throw new DaemonError(
      'CONFLICT',
      `${tasks.length} products have a task ${wanted}: ${list}`,
      'Name the task by its id; nothing was queued.',
    )
  }
  return first
}
