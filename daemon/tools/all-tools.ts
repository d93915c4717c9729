import { checkQueueEmpty } from './check-queue-empty.ts'
import { cleanupMyWorktrees } from './cleanup-my-worktrees.ts'
import { createPbi } from './create-pbi.ts'
import { createStory } from './create-story.ts'
import { createTask } from './create-task.ts'
import { dispatchJob } from './dispatch-job.ts'
import { health } from './health.ts'
import { jobHeartbeat } from './job-heartbeat.ts'
import { listProducts } from './list-products.ts'
import type { Tool } from './tool.ts'
import { updateJobStatus } from './update-job-status.ts'
import { waitForJob } from './wait-for-job.ts'
import { workerStatus } from './worker-status.ts'

/** Every tool of contract 6, in the order `tools/list` shows them. */
export const allTools: readonly Tool[] = [
  waitForJob,
  updateJobStatus,
  jobHeartbeat,
  cleanupMyWorktrees,
  workerStatus,
  health,
  checkQueueEmpty,
  dispatchJob,
  listProducts,
  createPbi,
  createStory,
  createTask,
]
