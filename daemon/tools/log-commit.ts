import { z } from 'zod'
import { writeLog } from '../backlog/write-log.ts'
import { text } from './arguments.ts'
import { LOG_ANNOTATIONS, LOG_TABLES, logInput, logOutput } from './log-schemas.ts'
import { defineTool } from './tool.ts'

export const logCommit = defineTool({
  name: 'log_commit',
  title: 'Log a commit',
  description:
    'Appends a commit to the log of a story, so that people find the change from the story. Call it after each commit you made for the story, with its full hash.',
  annotations: LOG_ANNOTATIONS,
  tables: LOG_TABLES,
  input: z.object({
    ...logInput,
    commit_hash: z
      .string()
      .regex(/^[0-9a-fA-F]{7,64}$/, { error: 'must be 7 to 64 hexadecimal digits' })
      .describe('Hash of the commit, 7 to 64 hexadecimal digits.'),
    commit_message: text('Message of the commit.', { min: 1 }),
  }),
  output: logOutput,
  async call({ story_id, content, commit_hash, commit_message, metadata }, context) {
    const entry = { type: 'COMMIT', content, commit_hash, commit_message } as const
    return writeLog(await context.backlog(), story_id, entry, metadata)
  },
})
