import type { PromptDefinition } from './prompts.ts'

/** Leads an agent through one story without the queue (contract 6). */
export const implementNextStory: PromptDefinition = {
  name: 'implement_next_story',
  title: 'Implement the next story',
  description:
    'Works the next story of a product from its context to the logged commit: plan, tasks in order, tests, commit, logs.',
  arguments: [{ name: 'product_id', description: 'The product to work on; list_products shows yours.' }],
  render: ({ product_id }) => `Implement the next story of the Scrum4Me product ${JSON.stringify(product_id)}.

1. Context. Call get_claude_context with that product_id. Read the product's definition of done, the sprint goal, the story with its acceptance criteria and its tasks. If next_story is null, say so and stop.
2. Plan. Read the code the story is about. Then call log_implementation with the story's id and a short plan in markdown: what you will change, in which files, how you will test it.
3. Tasks, in the order given and one at a time. For each:
   a. update_task_status with status in_progress; it returns the whole plan of the task.
   b. If that plan is missing or wrong, write a better one with update_task_plan before you start.
   c. Do the work, and keep to the task.
   d. If you cannot decide something that matters, call ask_user_question with the story's id. Without an answer set the task back to todo and stop.
   e. update_task_status with status done. When story_status_change is promoted, the story is done.
4. Tests. Run the tests that cover what you changed, then call log_test_result with PASSED or FAILED and a short summary. Mend what failed and run them again.
5. Commit. Commit the work with the story's code in the message.
6. Logs. Call log_commit with the commit's hash and message.

Finish by saying what you did, what you tested and what is left.`,
}
