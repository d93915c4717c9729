import { createHash } from 'node:crypto'
import type { Prompt } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import { listPrompts } from './prompts.ts'
import type { Tool, ToolAnnotations } from './tool.ts'

/** JSON schema of one tool's arguments or result, as MCP wants it. */
export interface ObjectSchema {
  readonly [keyword: string]: unknown
  readonly type: 'object'
  readonly properties: Record<string, object>
  readonly required?: string[]
  readonly additionalProperties: false
}

/** One entry of `tools/list`. */
export interface McpToolDescriptor {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly inputSchema: ObjectSchema
  readonly outputSchema: ObjectSchema
  readonly annotations: ToolAnnotations & { readonly title: string }
}

export interface Catalog {
  readonly tools: McpToolDescriptor[]
  readonly prompts: Prompt[]
  /** Changes when and only when `tools` or `prompts` change. */
  readonly hash: string
}

/** What `tools/list` and `prompts/list` answer: of the tools those whose tables the database has. */
export function catalog(tools: readonly Tool[], missingTables: ReadonlySet<string>): Catalog {
  const listed = tools.filter((tool) => !tool.tables.some((table) => missingTables.has(table))).map(describe)
  const prompts = listPrompts()
  const hash = createHash('sha256')
    .update(JSON.stringify([listed, prompts]))
    .digest('hex')
    .slice(0, 16)
  return { tools: listed, prompts, hash }
}

function describe(tool: Tool): McpToolDescriptor {
  return {
    name: tool.name,
    title: tool.title,
    description: tool.description,
    inputSchema: objectSchema(tool.input, 'input'),
    outputSchema: objectSchema(tool.output, 'output'),
    annotations: { title: tool.title, ...tool.annotations },
  }
}

/**
 * Draft 7, as the official SDK writes it. `additionalProperties: false` at the top tells a model the
 * truth; the few tolerated arguments (`parse-arguments.ts`) are for agents that never read a schema.
 */
function objectSchema(schema: z.ZodObject, io: 'input' | 'output'): ObjectSchema {
  const { properties = {}, required } = z.toJSONSchema(schema, { io, target: 'draft-7' })
  const described: Record<string, object> = {}
  for (const [name, property] of Object.entries(properties)) {
    if (typeof property === 'object') described[name] = property
  }
  return {
    type: 'object',
    properties: described,
    ...(required === undefined ? {} : { required }),
    additionalProperties: false,
  }
}
