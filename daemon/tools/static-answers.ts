import type { Prompt } from '@modelcontextprotocol/sdk/types.js'
import { allTools } from './all-tools.ts'
import { catalog, type McpToolDescriptor } from './catalog.ts'
import { SERVER_CAPABILITIES, SERVER_INFO, SERVER_INSTRUCTIONS } from './server-info.ts'

export interface StaticAnswers {
  readonly serverInfo: typeof SERVER_INFO
  readonly capabilities: typeof SERVER_CAPABILITIES
  readonly instructions: string
  readonly tools: readonly McpToolDescriptor[]
  readonly prompts: readonly Prompt[]
  /** Hash of both; a daemon with another one makes the shim announce `list_changed`. */
  readonly catalog: string
}

/** What a shim answers with no daemon there. Made at build time: loads zod and schemas, nothing else. */
export function staticAnswers(): StaticAnswers {
  const { tools, prompts, hash } = catalog(allTools, new Set())
  return {
    serverInfo: SERVER_INFO,
    capabilities: SERVER_CAPABILITIES,
    instructions: SERVER_INSTRUCTIONS,
    tools,
    prompts,
    catalog: hash,
  }
}
