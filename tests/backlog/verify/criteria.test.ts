import { expect, test } from 'vitest'
import { judgeCriterion, splitCriteria } from '../../../daemon/backlog/verify/criteria.ts'
import type { Work } from '../../../daemon/backlog/verify/work.ts'

const work: Work = {
  commits: [{ sha: 'c'.repeat(40), subject: 'Greet by name (ST-004)' }],
  commitCount: 1,
  files: [{ path: 'src/greet.ts', change: 'added', uncommitted: false }],
  linesAdded: 2,
  linesDeleted: 0,
  addedText: new Map([
    [
      'src/greet.ts',
      "export function greetuser(name) {\n  return 'hello ' + name + ', welcome back visitor'\n}\n",
    ],
  ]),
  limits: [],
}

test('bullets, numbers, boxes, paragraphs and Gherkin become one criterion each', () => {
  const text = `## Acceptance criteria
Must hold:
- [ ] first
* second
  goes on
1. third

Given a user
When they log in
Then they see it

plain line
another line`
  expect(splitCriteria(text)).toEqual([
    'first',
    'second goes on',
    'third',
    'Given a user When they log in Then they see it',
    'plain line',
    'another line',
  ])
  expect(splitCriteria('')).toEqual([])
  expect(splitCriteria(Array.from({ length: 80 }, (_, i) => `- c${i}`).join('\n'))).toHaveLength(50)
})

test.each([
  ['`greetUser` is exported from src/greet.ts', true, 'Found src/greet.ts, greetUser in src/greet.ts.'],
  ['it says "Hello"', true, 'Found Hello in src/greet.ts.'],
  ['a flag --quiet exists', false, 'Not in the changes: --quiet.'],
  ['greetUser takes MAX_LENGTH', null, 'Found greetUser in src/greet.ts; not in the changes: MAX_LENGTH.'],
  ['A visitor is welcomed back', true, 'src/greet.ts speaks of it: visitor, welcomed, back.'],
  ['Quarterly invoices are archived', null, 'It names nothing that could be looked up; read the change.'],
  ['It is nice', null, 'It names nothing that could be looked up; read the change.'],
])('%s → %s', (text, met, evidence) => {
  expect(judgeCriterion(text, { work, testStatus: null })).toEqual({ text, met, evidence })
})

test('a criterion about tests is judged by the newest logged result', () => {
  const judged = (testStatus: string | null) => judgeCriterion('All tests pass', { work, testStatus }).met
  expect([judged('PASSED'), judged('FAILED'), judged(null)]).toEqual([true, false, null])
})
