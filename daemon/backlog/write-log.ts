import type { Prisma } from '../db/generated/client.ts'
import { requireStory, requireWriter } from './access.ts'
import type { Backlog } from './backlog.ts'

/** What a story's log takes besides the story. */
export type LogEntry = Pick<
  Prisma.StoryLogUncheckedCreateInput,
  'type' | 'content' | 'status' | 'commit_hash' | 'commit_message'
>

/** Appends to the story's log; `metadata` must be an object that `jsonb` can store. */
export async function writeLog(
  backlog: Backlog,
  storyId: string,
  entry: LogEntry,
  metadata: Record<string, unknown> | undefined,
): Promise<{ id: string; created_at: string }> {
  requireWriter(backlog.caller)
  await requireStory(backlog, storyId)
  const row = await backlog.prisma.storyLog.create({
    data: { ...entry, story_id: storyId, ...(metadata === undefined ? {} : { metadata: jsonOf(metadata) }) },
    select: { id: true, created_at: true },
  })
  return { id: row.id, created_at: row.created_at.toISOString() }
}

/** Prisma's type for JSON, from values that came out of JSON. */
function jsonOf(value: Record<string, unknown>): Prisma.InputJsonObject {
  const parsed: Prisma.InputJsonObject = JSON.parse(JSON.stringify(value))
  return parsed
}
