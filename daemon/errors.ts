/**
 * The one family of errors that crosses a border of this program.
 * An error tells what happened, what was left unchanged, and what to do next.
 * Codes are the contract's (section 6); tools turn them into `CODE: sentence. Remedy.`,
 * the CLI into exit codes (`cli/exit.ts`).
 */
export const ERROR_CODES = [
  'VALIDATION_ERROR',
  'PERMISSION_DENIED',
  'NOT_FOUND',
  'CONFLICT',
  'REPO_ROOT_MISSING',
  'WORKTREE_FAILED',
  'OWNERSHIP_LOST',
  'JOB_CANCELLED',
  'JOB_TERMINAL',
  'OUTCOME_UNKNOWN',
  'DISK_LOW',
  'DATABASE_UNAVAILABLE',
  'DAEMON_UNREACHABLE',
  'PROTOCOL_MISMATCH',
  'UNAUTHORIZED',
  'INTERNAL',
] as const

export type ErrorCode = (typeof ERROR_CODES)[number]

export class DaemonError extends Error {
  readonly code: ErrorCode
  /** What a person or an agent does next; a full sentence. */
  readonly remedy: string

  constructor(code: ErrorCode, message: string, remedy: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'DaemonError'
    this.code = code
    this.remedy = remedy
  }

  /** `CODE: sentence. Remedy.` */
  get text(): string {
    return `${this.code}: ${sentence(this.message)} ${sentence(this.remedy)}`.trimEnd()
  }
}

/** Any thrown value as a DaemonError; what we did not foresee becomes INTERNAL. */
export function toDaemonError(thrown: unknown): DaemonError {
  if (thrown instanceof DaemonError) return thrown
  return new DaemonError(
    'INTERNAL',
    messageOf(thrown),
    'This is a defect of the daemon; `scrum4me-daemon logs` has the details.',
    thrown,
  )
}

export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** `code` of a Node or driver error (`ENOENT`, `23505`), or undefined. */
export function codeOf(thrown: unknown): string | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return undefined
  return typeof thrown.code === 'string' ? thrown.code : undefined
}

/** The contract's words for both "does not exist" and "is not yours". */
export function notFound(entity: string, id: string): DaemonError {
  return new DaemonError(
    'NOT_FOUND',
    `${entity} ${id} not found or not accessible`,
    'Check the id; nothing was changed.',
  )
}

function sentence(text: string): string {
  const trimmed = text.trim()
  return trimmed === '' || /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`
}
