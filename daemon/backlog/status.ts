/** `status` values of tasks in the API and in the database. */
const TASK_STATUS = { todo: 'TO_DO', in_progress: 'IN_PROGRESS', review: 'REVIEW', done: 'DONE' } as const

export type TaskStatus = keyof typeof TASK_STATUS

export const TASK_STATUSES = ['todo', 'in_progress', 'review', 'done'] as const satisfies TaskStatus[]

export function taskStatusToDatabase(status: TaskStatus): (typeof TASK_STATUS)[TaskStatus] {
  return TASK_STATUS[status]
}

/**
 * A database status as the API shows it. A shared database may have states this version has never
 * heard of: they are shown in lower case, not refused.
 */
export function statusToApi(status: string): string {
  return status === 'TO_DO' ? 'todo' : status.toLowerCase()
}
