import { z } from 'zod'
import { writeLog } from '../backlog/write-log.ts'
import { LOG_ANNOTATIONS, LOG_TABLES, logInput, logOutput } from './log-schemas.ts'
import { defineTool } from './tool.ts'

export const logImplementation = defineTool({
  name: 'log_implementation',
  title: 'Log an implementation plan',
  description:
    'Appends what you are going to do, or what you did and why, to the log of a story. Call it before you start on the story, so that people can follow and object; then set its first task in_progress with update_task_status.',
  annotations: LOG_ANNOTATIONS,
  tables: LOG_TABLES,
  input: z.object({ ...logInput }),
  output: logOutput,
  async call({ story_id, content, metadata }, context) {
    return writeLog(await context.backlog(), story_id, { type: 'IMPLEMENTATION_PLAN', content }, metadata)
  },
})
