import { z } from 'zod'
import type { RunResult } from './git.ts'
import type { ChildResult } from './run-child.ts'

/** A sent Buffer arrives as the array that it is. */
const BYTES = z
  .instanceof(Uint8Array)
  .transform(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength))
const RUN = z.object({ code: z.number(), stdout: BYTES, stderr: z.string() })
const CHILD = RUN.extend({
  code: z.number().nullable(),
  ended: z.enum(['by-itself', 'aborted', 'deadline', 'silent', 'too-much']),
})

/** How a git command ended in the process that runs git. */
export function runResult(answer: unknown): RunResult {
  return RUN.parse(answer)
}

/** How another program did. */
export function childResult(answer: unknown): ChildResult {
  return CHILD.parse(answer)
}
