import type { GetPromptResult, Prompt } from '@modelcontextprotocol/sdk/types.js'
import { DaemonError } from '../errors.ts'
import { implementNextStory } from './implement-next-story.ts'

/** One MCP prompt whose arguments are all text. */
export interface PromptDefinition {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly arguments: readonly { readonly name: string; readonly description: string }[]
  render(args: Readonly<Record<string, string>>): string
}

const all: readonly PromptDefinition[] = [implementNextStory]

/** What `prompts/list` answers. */
export function listPrompts(): Prompt[] {
  return all.map((prompt) => ({
    name: prompt.name,
    title: prompt.title,
    description: prompt.description,
    arguments: prompt.arguments.map((argument) => ({ ...argument, required: true })),
  }))
}

/** What `prompts/get` answers; VALIDATION_ERROR for an unknown prompt or a missing or unknown argument. */
export function getPrompt(name: string, args: Readonly<Record<string, string>> = {}): GetPromptResult {
  const prompt = all.find((candidate) => candidate.name === name)
  if (prompt === undefined) throw refused(`there is no prompt ${name.slice(0, 80)}`)
  const names = prompt.arguments.map((argument) => argument.name)
  for (const wanted of names) if (!args[wanted]) throw refused(`${wanted} is required`)
  for (const given of Object.keys(args)) {
    if (!names.includes(given)) throw refused(`${given.slice(0, 80)} is not an argument of this prompt`)
  }
  return {
    description: prompt.description,
    messages: [{ role: 'user', content: { type: 'text', text: prompt.render(args) } }],
  }
}

function refused(what: string): DaemonError {
  return new DaemonError('VALIDATION_ERROR', what, 'prompts/list shows the prompts and their arguments.')
}
