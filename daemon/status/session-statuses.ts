import type { Dispatch } from '../dispatch/dispatch.ts'
import type { ClaimBook } from '../jobs/claim-book.ts'
import type { SessionRegistry } from '../sessions/registry.ts'
import type { SessionStatus } from '../wire/status-report.ts'

export interface SessionSources {
  readonly sessions: SessionRegistry
  readonly book: ClaimBook
  readonly dispatch: Dispatch
}

/** Who is connected, and whoever vanished while holding a job: what each does, and since when. */
export function sessionStatuses({ sessions, book, dispatch }: SessionSources): SessionStatus[] {
  return sessions
    .all()
    .filter((session) => session.goneAt === null || book.heldBy(session.ref.key) !== undefined)
    .map((session) => {
      const held = book.heldBy(session.ref.key)
      const waiter = dispatch.queue.of(session.ref.key)
      const connectedAt = new Date(session.connectedAt).toISOString()
      const since =
        session.goneAt !== null
          ? new Date(session.goneAt).toISOString()
          : (held?.since ?? (waiter === undefined ? connectedAt : new Date(waiter.since).toISOString()))
      return {
        session_id: session.ref.sessionId,
        client: session.hello === null ? null : clientName(session.hello),
        pid: session.hello?.pid ?? 0,
        connected: session.goneAt === null,
        connected_at: connectedAt,
        cwd: session.hello?.cwd ?? '',
        activity:
          session.goneAt !== null
            ? 'gone'
            : held !== undefined
              ? 'holding'
              : waiter !== undefined
                ? 'waiting'
                : 'idle',
        job_id: held?.identity.jobId ?? null,
        since,
      }
    })
}

function clientName(hello: { clientName: string | null; clientVersion: string | null }): string | null {
  if (hello.clientName === null) return null
  return hello.clientVersion === null ? hello.clientName : `${hello.clientName} ${hello.clientVersion}`
}
