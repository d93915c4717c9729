import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { readDatabaseError, toDatabaseError } from '../db/database-error.ts'
import { DaemonError, messageOf } from '../errors.ts'
import type { ToolContext } from './context.ts'
import { parseArguments } from './parse-arguments.ts'
import { shrink } from './shrink.ts'
import type { Tool } from './tool.ts'

/**
 * One tool call, from raw arguments to what MCP sends. Never throws: every failure is a result with
 * `isError` and one text `CODE: sentence. Remedy.` (contract 6).
 */
export async function callTool(tool: Tool, args: unknown, context: ToolContext): Promise<CallToolResult> {
  try {
    const input = parseArguments(tool.input, args)
    const output = tool.output.safeParse(await tool.call(input, context))
    if (!output.success) throw new Error(`the result does not fit its schema: ${output.error.message}`)
    const content = shrink(output.data)
    return { content: [{ type: 'text', text: JSON.stringify(content, null, 2) }], structuredContent: content }
  } catch (thrown) {
    return failure(tool, thrown, context)
  }
}

function failure(tool: Tool, thrown: unknown, context: ToolContext): CallToolResult {
  const { name } = tool
  const error = cutOff(tool, thrown) ?? toDatabaseError(thrown) ?? unforeseen(name, thrown)
  if (error.code === 'INTERNAL') {
    const cause = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
    context.log.error({ tool: name, cause: context.clean(cause) }, `tools: ${name} failed`)
  }
  return { isError: true, content: [{ type: 'text', text: context.clean(error.text) }] }
}

/** There was no connection to send it over. */
const NEVER_SENT = /\bconnect E[A-Z]+|trying to connect/

/** The connection broke under a statement that changes something. Undefined: it is anything else. */
function cutOff({ name, annotations }: Tool, thrown: unknown): DaemonError | undefined {
  if (annotations.readOnlyHint || thrown instanceof DaemonError) return undefined
  if (readDatabaseError(thrown)?.meaning !== 'unreachable' || NEVER_SENT.test(messageOf(thrown)))
    return undefined
  return new DaemonError(
    'DATABASE_UNAVAILABLE',
    `The database broke off, so whether ${name} took effect is unknown; it is not repeated by itself`,
    'Look whether it did before you call it again; `scrum4me-daemon doctor` tells what stands in the way.',
    thrown,
  )
}

/** Says nothing of the cause: it may name what the caller must not know. The log has it. */
function unforeseen(name: string, cause: unknown): DaemonError {
  return new DaemonError(
    'INTERNAL',
    `${name} failed for a reason it does not foresee`,
    'Check what it was to change before you repeat it; `scrum4me-daemon logs` has the details.',
    cause,
  )
}
