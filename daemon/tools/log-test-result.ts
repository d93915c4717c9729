import { z } from 'zod'
import { writeLog } from '../backlog/write-log.ts'
import { LOG_ANNOTATIONS, LOG_TABLES, logInput, logOutput } from './log-schemas.ts'
import { defineTool } from './tool.ts'

export const logTestResult = defineTool({
  name: 'log_test_result',
  title: 'Log a test result',
  description:
    'Appends the result of a test run to the log of a story: which tests, how many, what failed. Call it after every run that matters, also a failed one; verify_task_against_plan takes the newest result as evidence.',
  annotations: LOG_ANNOTATIONS,
  tables: LOG_TABLES,
  input: z.object({
    ...logInput,
    status: z.enum(['PASSED', 'FAILED']).describe('How the run ended.'),
  }),
  output: logOutput,
  async call({ story_id, content, status, metadata }, context) {
    return writeLog(await context.backlog(), story_id, { type: 'TEST_RESULT', content, status }, metadata)
  },
})
