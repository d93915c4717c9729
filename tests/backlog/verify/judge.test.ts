import { expect, test } from 'vitest'
import type { Criterion } from '../../../daemon/backlog/verify/criteria.ts'
import { judge } from '../../../daemon/backlog/verify/judge.ts'
import type { Work } from '../../../daemon/backlog/verify/work.ts'

function workOn(paths: string[], lines = 10): Work {
  return {
    commits: [],
    commitCount: 0,
    files: paths.map((path) => ({ path, change: 'modified', uncommitted: false })),
    linesAdded: lines,
    linesDeleted: 0,
    addedText: new Map(),
    limits: [],
  }
}
const unmet: Criterion = { text: 'x', met: false, evidence: '' }

test.each([
  // plan, changed, criteria, lines, result, drift
  [['a.ts'], [], [], 0, 'empty', 1],
  [['a.ts', 'b.ts'], ['a.ts', 'b.ts'], [], 10, 'aligned', 0],
  [['a.ts', 'b.ts'], ['a.ts'], [], 10, 'partial', 0.5],
  [['a.ts'], ['z.ts'], [], 10, 'divergent', 1],
  [
    ['a.ts'],
    ['a.ts', 'tests/a.test.ts', 'package-lock.json', 'CHANGELOG.md', 'x_test.go'],
    [],
    10,
    'aligned',
    0,
  ],
  [['a.ts'], ['a.ts', 'b.ts', 'c.ts'], [], 10, 'aligned', 0.5],
  [['a.ts'], ['a.ts', 'b.ts', 'c.ts', 'd.ts'], [], 10, 'divergent', 0.6],
  [['a.ts'], ['a.ts'], [unmet], 10, 'partial', 0],
  [[], ['a.ts'], [], 50, 'aligned', 0],
  [[], ['a.ts'], [], 51, 'partial', 0],
  [[], ['a.ts'], [unmet], 1, 'partial', 1],
] as const)('plan %j, changed %j → %s', (plan, changed, criteria, lines, result, drift) => {
  const judgement = judge(plan, workOn([...changed], lines), criteria)
  expect(judgement).toMatchObject({ result, driftScore: drift })
  expect(judgement.reasoning).toMatch(/\.$/)
})
