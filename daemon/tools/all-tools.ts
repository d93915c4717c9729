import { checkQueueEmpty } from './check-queue-empty.ts'
import { createPbi } from './create-pbi.ts'
import { createStory } from './create-story.ts'
import { createTask } from './create-task.ts'
import { dispatchJob } from './dispatch-job.ts'
import { health } from './health.ts'
import { listProducts } from './list-products.ts'
import type { Tool } from './tool.ts'

/** Every tool of contract 6, in the order `tools/list` shows them. */
export const allTools: readonly Tool[] = [
  health,
  checkQueueEmpty,
  dispatchJob,
  listProducts,
  createPbi,
  createStory,
  createTask,
]
