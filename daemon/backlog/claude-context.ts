import { z } from 'zod'
import type { PrismaClient } from '../db/generated/client.ts'
import { notFound } from '../errors.ts'
import { requireProduct } from './access.ts'
import type { Backlog } from './backlog.ts'
import { rowsOf } from './rows.ts'
import { statusToApi } from './status.ts'

/** How people order siblings; priority is a label. */
const BY_PLACE = [{ sort_order: 'asc' }, { created_at: 'asc' }, { id: 'asc' }] as const

/** What an agent needs to start on a product: see `get_claude_context`. */
export async function claudeContext(backlog: Backlog, id: string) {
  const { prisma } = backlog
  const productId = await requireProduct(backlog, id)
  const product = await prisma.product.findUnique({
    where: { id: productId },
    select: {
      id: true,
      code: true,
      name: true,
      description: true,
      repo_url: true,
      definition_of_done: true,
    },
  })
  if (product === null) throw notFound('Product', id)
  const sprint = await activeSprint(prisma, productId)
  return { product, sprint, story: sprint === null ? null : await nextStory(prisma, sprint.id) }
}

const sprintSchema = z.object({ id: z.string(), sprint_goal: z.string(), status: z.string() })

/** The newest active one. Newer Scrum4Me databases call ACTIVE `OPEN`, which Prisma would refuse to read. */
async function activeSprint(prisma: PrismaClient, productId: string) {
  const [sprint] = rowsOf(
    sprintSchema,
    await prisma.$queryRaw`
      select id, sprint_goal, status::text from sprints
      where product_id = ${productId} and status::text in ('ACTIVE', 'OPEN')
      order by created_at desc, id desc limit 1`,
  )
  return sprint ?? null
}

/** The first story of the sprint that is not done and has work left, or no task yet. */
async function nextStory(prisma: PrismaClient, sprintId: string) {
  const story = await prisma.story.findFirst({
    where: {
      sprint_id: sprintId,
      status: { in: ['OPEN', 'IN_SPRINT'] },
      OR: [{ tasks: { none: {} } }, { tasks: { some: { status: { not: 'DONE' } } } }],
    },
    orderBy: [...BY_PLACE],
    select: {
      id: true,
      code: true,
      title: true,
      description: true,
      acceptance_criteria: true,
      priority: true,
      status: true,
      tasks: {
        orderBy: [...BY_PLACE],
        // Without status: tasks of a shared database may be in states Prisma does not know.
        select: {
          id: true,
          code: true,
          title: true,
          description: true,
          implementation_plan: true,
          priority: true,
          sort_order: true,
        },
      },
    },
  })
  if (story === null) return null
  const statuses = await taskStatuses(prisma, story.id)
  return {
    ...story,
    status: statusToApi(story.status),
    tasks: story.tasks.map((task) => ({ ...task, status: statuses.get(task.id) ?? 'todo' })),
  }
}

const statusSchema = z.object({ id: z.string(), status: z.string() })

async function taskStatuses(prisma: PrismaClient, storyId: string): Promise<Map<string, string>> {
  const rows = rowsOf(
    statusSchema,
    await prisma.$queryRaw`select id, status::text from tasks where story_id = ${storyId}`,
  )
  return new Map(rows.map((row) => [row.id, statusToApi(row.status)]))
}
