import { z } from 'zod'
import { inspectJson, inspectText } from './inspect-json.ts'

/** Contract 6: free texts without a smaller limit of their own, characters. */
export const MAX_TEXT = 100_000

/** An id of any form: what does not exist reads NOT_FOUND, never VALIDATION_ERROR (contract 6). */
export function id(description: string): z.ZodString {
  return z.string().describe(description)
}

/** Free text that PostgreSQL can store. Lengths in characters. */
export function text(description: string, limits: { min?: number; max?: number } = {}) {
  return z
    .string()
    .min(limits.min ?? 0)
    .max(limits.max ?? MAX_TEXT)
    .refine((value) => inspectText(value) === undefined, { error: 'must not contain a NUL character' })
    .describe(description)
}

export function priority() {
  return z.int().min(1).max(4).describe('1 (highest) to 4 (lowest). A label: order comes from sort_order.')
}

/** Seconds a call may wait. */
export function seconds(description: string, min: number, max: number) {
  return z.int().min(min).max(max).describe(description)
}

/** A JSON object that a `jsonb` column can store. */
export function jsonObject(description: string) {
  return z
    .record(z.string(), z.unknown())
    .superRefine((value, context) => {
      const fault = inspectJson(value)
      if (fault !== undefined) context.addIssue({ code: 'custom', message: fault })
    })
    .describe(description)
}
