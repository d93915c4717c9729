import { z } from 'zod'
import { claudeContext } from '../backlog/claude-context.ts'
import { openTodos } from '../backlog/open-todos.ts'
import { id } from './arguments.ts'
import { omit, omitted } from './omitted.ts'
import { takeWithin } from './shrink.ts'
import { defineTool } from './tool.ts'

const task = z.object({
  id: z.string().describe('Task id, for the task tools.'),
  code: z.string().describe('Its code, T-n.'),
  title: z.string().describe('Title.'),
  description: z.string().nullable().describe('What to do.'),
  implementation_plan: z.string().nullable().describe('How to do it; update_task_status returns it in full.'),
  priority: z.int().describe('1 to 4; a label.'),
  sort_order: z.number().describe('Position among its siblings, ascending.'),
  status: z.string().describe('todo, in_progress, review or done.'),
})

const story = z.object({
  id: z.string().describe('Story id, for the log tools and ask_user_question.'),
  code: z.string().describe('Its code, ST-nnn.'),
  title: z.string().describe('Title.'),
  description: z.string().nullable().describe('What is wanted and why.'),
  acceptance_criteria: z.string().nullable().describe('When it is done.'),
  priority: z.int().describe('1 to 4; a label.'),
  status: z.string().describe('open or in_sprint.'),
  tasks: z.array(task).describe('Its tasks in the order to work in.'),
})

const MAX_TODOS = 100

export const getClaudeContext = defineTool({
  name: 'get_claude_context',
  title: 'Get the context to work in',
  description:
    'Returns all you need to start on a product in one call: the product with its definition of done, the active sprint, the next story of it with its tasks in order, and your open todos. Start with this when you work without the queue; then log your plan with log_implementation and set the first task in_progress with update_task_status. Long texts are cut with a note; update_task_status returns the whole plan of a task.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  tables: ['products', 'product_members', 'sprints', 'stories', 'tasks'],
  input: z.object({
    product_id: id('The product to work on; list_products shows yours.'),
  }),
  output: z.object({
    product: z
      .object({
        id: z.string().describe('Product id.'),
        code: z.string().nullable().describe('Short code, if it has one.'),
        name: z.string().describe('Name.'),
        description: z.string().nullable().describe('What the product is.'),
        repo_url: z.string().nullable().describe('Where its repository lives.'),
        definition_of_done: z.string().describe('What must hold before work is done.'),
      })
      .describe('The product.'),
    active_sprint: z
      .object({
        id: z.string().describe('Sprint id.'),
        sprint_goal: z.string().describe('What the sprint is for.'),
        status: z.string().describe('ACTIVE, or what the database calls it.'),
      })
      .nullable()
      .describe('The newest active sprint, or null.'),
    next_story: story.nullable().describe('The first story of that sprint with work left, or null.'),
    open_todos: z
      .array(
        z.object({
          id: z.string().describe('Todo id.'),
          title: z.string().describe('Title.'),
          description: z.string().nullable().describe('Description.'),
          created_at: z.string().describe('ISO 8601 in UTC.'),
        }),
      )
      .describe('Your open todos for this product or for none, oldest first.'),
    omitted,
  }),
  async call({ product_id }, context) {
    const backlog = await context.backlog()
    const { product, sprint, story } = await claudeContext(backlog, product_id)
    const { todos, total } = context.missingTables.has('todos')
      ? { todos: [], total: 0 }
      : await openTodos(backlog, product.id, MAX_TODOS)
    const tasks = takeWithin(story?.tasks ?? [], 20_000)
    const shown = takeWithin(
      todos.map((todo) => ({ ...todo, created_at: todo.created_at.toISOString() })),
      8_000,
    )
    const todosLeft = total - shown.kept.length
    return {
      product,
      active_sprint: sprint,
      next_story: story === null ? null : { ...story, tasks: tasks.kept },
      open_todos: shown.kept,
      ...omit(
        tasks.left + todosLeft,
        `${tasks.left} tasks and ${todosLeft} todos are left out; call again when the first ones are done, or see the web app.`,
      ),
    }
  },
})
