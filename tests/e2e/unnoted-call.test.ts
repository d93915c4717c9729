import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { type AtWork, Scenario } from '../support/scenario.ts'

let at: AtWork
afterEach(() => at.scenario.close())

it('a call that cannot be noted on disk is refused like any other failure, and works once that is mended', async () => {
  at = await Scenario.atWork()
  const { agent, machine, scenario } = at
  const calls = join(machine.home, 'state/calls')
  await rm(calls, { recursive: true })
  await writeFile(calls, '')
  const refused = await agent.fails('create_todo', { title: 'Later' })
  expect(refused).toMatch(/^[A-Z_]+: create_todo was not begun, .*nothing was changed\. .*state\/calls.*\./)
  expect(await scenario.db.query('select 1 from todos')).toEqual([])

  await rm(calls)
  expect(await agent.fails('create_todo', { title: 'Later' })).toContain(
    `\`scrum4me-daemon logs --home ${machine.home}\``,
  )
  await mkdir(calls, { mode: 0o700 })
  await agent.call('create_todo', { title: 'Later' })
  expect(await scenario.db.query('select 1 from todos')).toHaveLength(1)
})
