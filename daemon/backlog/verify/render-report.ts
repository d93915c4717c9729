import type { Criterion } from './criteria.ts'
import type { Judgement } from './judge.ts'
import type { Work } from './work.ts'

export interface ReportInput {
  readonly code: string
  readonly judgement: Judgement
  readonly criteria: readonly Criterion[]
  readonly work: Work
  readonly planEdited: boolean
  /** Where the plan compared with comes from. */
  readonly planSource: string
  /** What was compared, besides the work's own limits, and what this check cannot tell. */
  readonly limits: readonly string[]
}

const MAX_LISTED = 30

/** The verification as markdown, for the model that asked and for people who read its log. */
export function renderReport(input: ReportInput): string {
  const { judgement, criteria, work } = input
  const uncommitted = work.files.filter((file) => file.uncommitted).length
  const lines = [
    `# ${input.code}: ${judgement.result} (drift ${judgement.driftScore})`,
    judgement.reasoning,
    '',
    `## Plan (${input.planSource})`,
    ...(input.planEdited ? ['The plan of the task was edited since.'] : []),
    ...limited(judgement.touched, (path) => `- [x] ${path}`),
    ...limited(judgement.untouched, (path) => `- [ ] ${path}: not touched`),
    ...(judgement.touched.length + judgement.untouched.length === 0 ? ['It names no files.'] : []),
    ...(judgement.unplanned.length > 0 ? ['Changed, but not named in the plan:'] : []),
    ...limited(judgement.unplanned, (path) => `- ${path}`),
    '',
    '## Acceptance criteria',
    ...(criteria.length === 0 ? ['The story has none.'] : []),
    ...criteria.map(({ met, text, evidence }) => `- [${mark(met)}] ${text}: ${evidence}`),
    '',
    '## Work',
    `${work.commitCount} commits, ${work.files.length} files changed (+${work.linesAdded} -${work.linesDeleted}), ${uncommitted} of them uncommitted.`,
    ...work.commits.slice(0, MAX_LISTED).map(({ sha, subject }) => `- ${sha.slice(0, 12)} ${subject}`),
    '',
    '## What this cannot judge',
    ...[...work.limits, ...input.limits].map((limit) => `- ${limit}`),
  ]
  return lines.join('\n')
}

function limited(items: readonly string[], line: (item: string) => string): string[] {
  const shown = items.slice(0, MAX_LISTED).map(line)
  return items.length > MAX_LISTED ? [...shown, `- and ${items.length - MAX_LISTED} more`] : shown
}

function mark(met: boolean | null): string {
  if (met === null) return '?'
  return met ? 'x' : ' '
}
