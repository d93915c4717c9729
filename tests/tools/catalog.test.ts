import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { allTools } from '../../daemon/tools/all-tools.ts'
import { catalog } from '../../daemon/tools/catalog.ts'
import { getPrompt } from '../../daemon/tools/prompts.ts'
import { staticAnswers } from '../../daemon/tools/static-answers.ts'

const NAMES =
  `wait_for_job update_job_status cleanup_my_worktrees check_queue_empty dispatch_job job_heartbeat
  worker_status health list_products get_claude_context update_task_status update_task_plan log_implementation
  log_test_result log_commit create_todo create_pbi create_story create_task ask_user_question get_question_answer
  list_open_questions cancel_question verify_task_against_plan set_pbi_pr mark_pbi_pr_merged`.split(/\s+/)

const { tools, hash } = catalog(allTools, new Set())

test('every tool of the contract is there, once', () => {
  expect(tools.map((tool) => tool.name).sort()).toEqual(NAMES.sort())
})

describe.each(tools.map((tool) => [tool.name, tool] as const))('%s', (_name, tool) => {
  test('says what it is in words for a model', () => {
    expect(tool.title).toMatch(/^[A-Z]/)
    expect(tool.annotations.title).toBe(tool.title)
    expect(tool.description.match(/[.!?](?= |$)/g)?.length ?? 0).toBeGreaterThanOrEqual(2)
  })

  test('describes every property and takes no other argument', () => {
    expect(tool.inputSchema.additionalProperties).toBe(false)
    expect([...undescribed(tool.inputSchema, ''), ...undescribed(tool.outputSchema, '')]).toEqual([])
  })

  test('has patterns that mean the same in every dialect of regular expressions', () => {
    expect(JSON.stringify([tool.inputSchema, tool.outputSchema])).not.toMatch(/\\\\[pP]\{/)
  })
})

/** Paths of properties without a description, at any depth. */
function undescribed(schema: unknown, path: string): string[] {
  if (typeof schema !== 'object' || schema === null) return []
  const found: string[] = []
  const properties: unknown = Reflect.get(schema, 'properties')
  if (typeof properties === 'object' && properties !== null) {
    for (const [name, property] of Object.entries(properties)) {
      const here = `${path}.${name}`
      if (typeof property !== 'object' || !Reflect.get(property, 'description')) found.push(here)
      found.push(...undescribed(property, here))
    }
  }
  for (const part of ['items', 'anyOf', 'oneOf']) {
    const inner: unknown = Reflect.get(schema, part)
    for (const each of Array.isArray(inner) ? inner : [inner]) found.push(...undescribed(each, path))
  }
  return found
}

test('writing tools do not claim to be read-only, reading ones to write', () => {
  const reading = tools.filter((tool) => tool.annotations.readOnlyHint).map((tool) => tool.name)
  expect(reading.sort()).toEqual(
    `check_queue_empty get_claude_context get_question_answer health list_open_questions list_products
     worker_status`.split(/\s+/),
  )
})

test('a tool whose table is missing is left out, the others stay, and the hash tells', () => {
  const without = catalog(allTools, new Set(['todos']))
  expect(tools.filter((tool) => !without.tools.includes(tool)).map((tool) => tool.name)).toHaveLength(
    tools.length,
  )
  const names = without.tools.map((tool) => tool.name)
  expect(NAMES.filter((name) => !names.includes(name))).toEqual(['create_todo'])
  expect(without.hash).not.toBe(hash)
  expect(catalog(allTools, new Set(['no_such_table'])).hash).toBe(hash)
})

test("the shim's static answers are the catalog and load neither Prisma nor a driver", async () => {
  expect(staticAnswers()).toMatchObject({ tools, catalog: hash })
  expect(staticAnswers().prompts.map((prompt) => prompt.name)).toEqual(['implement_next_story'])
  const packages = new Set<string>()
  await collectPackages(
    join(import.meta.dirname, '../../daemon/tools/static-answers.ts'),
    packages,
    new Set(),
  )
  expect([...packages].filter((name) => !name.startsWith('node:'))).toEqual(['zod'])
})

/** Packages loaded at run time, which type-only imports are not. */
async function collectPackages(file: string, packages: Set<string>, seen: Set<string>): Promise<void> {
  if (seen.has(file)) return
  seen.add(file)
  const source = await readFile(file, 'utf8')
  for (const [, type, from = ''] of source.matchAll(
    /^(?:import|export) (type )?(?:[\w*]+|\{[^}]*\}) from '([^']+)'/gm,
  )) {
    if (type !== undefined) continue
    if (from.startsWith('.')) await collectPackages(join(dirname(file), from), packages, seen)
    else packages.add(from)
  }
}

test('the prompt carries its product and refuses what it does not know', () => {
  const prompt = getPrompt('implement_next_story', { product_id: 'p"1' })
  expect(prompt.messages).toHaveLength(1)
  expect(JSON.stringify(prompt.messages)).toContain('p\\\\\\"1')
  const [message] = prompt.messages
  const text = message?.content.type === 'text' ? message.content.text : ''
  const order = [
    'get_claude_context',
    'log_implementation',
    'update_task_status',
    'log_test_result',
    'log_commit',
  ]
  const places = order.map((name) => text.indexOf(name))
  expect(places).toEqual(places.toSorted((a, b) => a - b))
  expect(places).not.toContain(-1)
  for (const [, name] of text.matchAll(/\b([a-z]+(?:_[a-z]+)+)\b/g)) {
    if (!['product_id', 'next_story', 'in_progress', 'story_status_change'].includes(name ?? '')) {
      expect(NAMES).toContain(name)
    }
  }
  expect(() => getPrompt('implement_next_story')).toThrow('product_id is required')
  expect(() => getPrompt('implement_next_story', { product_id: 'x', more: 'y' })).toThrow(
    'more is not an argument',
  )
  expect(() => getPrompt('other')).toThrow('there is no prompt other')
})
