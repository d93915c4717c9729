import type { Queryable } from './seed.ts'

/** What an older or newer Scrum4Me did to its database: columns, enum values and states we never heard of. */
const CHANGES = [
  `alter table products add column color text, add column settings jsonb not null default '{}'`,
  `alter table tasks add column estimate int not null default 3, add column excluded bool`,
  `alter table stories add column points int not null default 1`,
  `alter table pbis add column idea_id text`,
  `alter table sprints add column velocity float`,
  `create type "JobRuntime" as enum ('CLAUDE', 'OTHER')`,
  `alter table claude_jobs add column sprint_run_id text, add column required_capability text,
     add column runtime "JobRuntime" not null default 'CLAUDE'`,
  `alter table claude_workers add column capabilities text[] not null default '{}'`,
  `alter table claude_questions add column idea_id text`,
  `alter table story_logs add column author text not null default 'agent'`,
  `alter type "StoryStatus" add value 'BLOCKED'`,
  `alter type "TaskStatus" add value 'EXCLUDED'`,
  `alter type "PbiStatus" add value 'FAILED'`,
  `alter type "SprintStatus" add value 'OPEN'`,
  `alter type "SprintStatus" add value 'CLOSED'`,
  `alter type "ClaudeJobStatus" add value 'PAUSED'`,
  `alter type "ClaudeJobKind" add value 'SPRINT_IMPLEMENTATION'`,
  `alter type "LogType" add value 'NOTE'`,
  `alter type "TestStatus" add value 'FLAKY'`,
  `alter type "VerifyResult" add value 'UNSURE'`,
  `alter type "Role" add value 'STAKEHOLDER'`,
  `drop table todos`,
]

/** Makes a migrated database that of another Scrum4Me: more of almost everything, and no `todos`. */
export async function anotherScrum4Me(db: Queryable): Promise<void> {
  for (const change of CHANGES) await db.query(change)
}
