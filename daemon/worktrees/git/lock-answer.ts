import { z } from 'zod'
import { codeOf, DaemonError, messageOf } from '../../errors.ts'
import type { FileIdentity } from '../../lock/kernel-lock.ts'

/** What the process that runs git says of a lock: which file it has locked; that another has it; why it cannot. */
const ANSWER = z.union([
  z.null(),
  z.object({ dev: z.string(), ino: z.string() }),
  z.object({ code: z.string().optional(), message: z.string(), remedy: z.string().optional() }),
])
export type LockAnswer = z.infer<typeof ANSWER>

/** An error as it can be sent. */
export function lockRefusal(error: unknown): LockAnswer {
  const remedy = error instanceof DaemonError ? error.remedy : undefined
  return { code: codeOf(error), message: messageOf(error), remedy }
}

/** Null: another has it. Throws what was thrown there. */
export function lockedFile(answer: unknown): FileIdentity | null {
  const value = ANSWER.parse(answer)
  if (value === null || !('message' in value)) return value
  const { code, message, remedy } = value
  if (remedy !== undefined) throw new DaemonError('INTERNAL', message, remedy)
  throw Object.assign(new Error(message), { code })
}
