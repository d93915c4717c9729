import { askUserQuestion } from './ask-user-question.ts'
import { cancelQuestion } from './cancel-question.ts'
import { checkQueueEmpty } from './check-queue-empty.ts'
import { cleanupMyWorktrees } from './cleanup-my-worktrees.ts'
import { createPbi } from './create-pbi.ts'
import { createStory } from './create-story.ts'
import { createTask } from './create-task.ts'
import { createTodo } from './create-todo.ts'
import { dispatchJob } from './dispatch-job.ts'
import { getClaudeContext } from './get-claude-context.ts'
import { getQuestionAnswer } from './get-question-answer.ts'
import { health } from './health.ts'
import { jobHeartbeat } from './job-heartbeat.ts'
import { listOpenQuestions } from './list-open-questions.ts'
import { listProducts } from './list-products.ts'
import { logCommit } from './log-commit.ts'
import { logImplementation } from './log-implementation.ts'
import { logTestResult } from './log-test-result.ts'
import { markPbiPrMerged } from './mark-pbi-pr-merged.ts'
import { setPbiPr } from './set-pbi-pr.ts'
import type { Tool } from './tool.ts'
import { updateJobStatus } from './update-job-status.ts'
import { updateTaskPlan } from './update-task-plan.ts'
import { updateTaskStatus } from './update-task-status.ts'
import { verifyTaskAgainstPlan } from './verify-task-against-plan.ts'
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
  getClaudeContext,
  updateTaskStatus,
  updateTaskPlan,
  logImplementation,
  logTestResult,
  logCommit,
  createTodo,
  createPbi,
  createStory,
  createTask,
  askUserQuestion,
  getQuestionAnswer,
  listOpenQuestions,
  cancelQuestion,
  verifyTaskAgainstPlan,
  setPbiPr,
  markPbiPrMerged,
]
