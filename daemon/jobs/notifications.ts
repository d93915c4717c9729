/** Status notification, ids only (contract 4); takes a row source named `c` with the job's columns. */
export const NOTIFY_STATUS = `pg_notify('scrum4me_changes', json_strip_nulls(json_build_object(
  'type', 'claude_job_status', 'job_id', c.id, 'task_id', c.task_id, 'user_id', c.user_id,
  'product_id', c.product_id, 'status', c.status, 'branch', c.branch))::text)`

/** Wakes waiting daemons of the job's user. */
export const NOTIFY_ENQUEUED = `pg_notify('scrum4me_changes', json_build_object(
  'type', 'claude_job_enqueued', 'user_id', c.user_id, 'product_id', c.product_id, 'job_id', c.id)::text)`
