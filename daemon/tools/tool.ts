import type { z } from 'zod'
import type { ToolContext } from './context.ts'

export interface ToolAnnotations {
  readonly readOnlyHint: boolean
  readonly destructiveHint: boolean
  readonly idempotentHint: boolean
  /** Reaches beyond Scrum4Me's database and this machine's worktrees. */
  readonly openWorldHint: boolean
}

/**
 * One MCP tool. `input` is checked strictly before `call` runs; unknown arguments are refused except
 * those that existing agents send (contract 6). What `call` returns must fit `output`.
 * A failure is a thrown DaemonError.
 */
export interface Tool<I extends z.ZodObject = z.ZodObject, O extends z.ZodObject = z.ZodObject> {
  readonly name: string
  readonly title: string
  /** At least two sentences for a model: when to use it, what it returns, what to call next. */
  readonly description: string
  readonly annotations: ToolAnnotations
  readonly input: I
  readonly output: O
  /** Database tables the tool cannot do without; where one is missing the tool leaves the catalog. */
  readonly tables: readonly string[]
  call(input: z.output<I>, context: ToolContext): Promise<z.output<O>>
}

/** Infers a tool's types from its schemas. */
export function defineTool<I extends z.ZodObject, O extends z.ZodObject>(tool: Tool<I, O>): Tool<I, O> {
  return tool
}
