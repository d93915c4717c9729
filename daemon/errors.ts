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

/** Any thrown value as a DaemonError: a refusal of the file system as such, what we did not foresee as INTERNAL. */
export function toDaemonError(thrown: unknown): DaemonError {
  if (thrown instanceof DaemonError) return thrown
  const refused = fileSystemError(thrown)
  if (refused !== undefined) return refused
  return new DaemonError(
    'INTERNAL',
    messageOf(thrown),
    'This is a defect of the daemon; `scrum4me-daemon logs` has the details.',
    thrown,
  )
}

const ACCESS = 'Make it accessible to the user who runs this, or name another path.'
const OTHER_PATH = 'Name another path.'
const SPACE = 'Free some space on that file system and try again.'

/** What the machine's owner can mend: errno to our code, what it means, what to do. */
const REFUSALS: ReadonlyMap<string, readonly [ErrorCode, string, string]> = new Map([
  ['EACCES', ['PERMISSION_DENIED', 'permission denied', ACCESS]],
  ['EPERM', ['PERMISSION_DENIED', 'operation not permitted', ACCESS]],
  ['EROFS', ['PERMISSION_DENIED', 'the file system is read-only', 'Make it writable, or name another path.']],
  ['EEXIST', ['VALIDATION_ERROR', 'something else is there', 'Move that away, or name another path.']],
  ['EISDIR', ['VALIDATION_ERROR', 'it is a directory', 'Move that directory away, or name another path.']],
  ['ENOTDIR', ['VALIDATION_ERROR', 'a part of the path is no directory', OTHER_PATH]],
  ['ELOOP', ['VALIDATION_ERROR', 'its symbolic links lead in a circle', OTHER_PATH]],
  ['ENAMETOOLONG', ['VALIDATION_ERROR', 'the name is too long', OTHER_PATH]],
  ['ENOSPC', ['DISK_LOW', 'no space is left on the device', SPACE]],
  ['EDQUOT', ['DISK_LOW', 'the disk quota is used up', SPACE]],
])

/** A failed write names no path; what these mean is plain all the same. */
const PATHLESS: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EROFS'])

/** `<path>: <reason> (<errno>, <call>)`, of an error that names a path or needs none. */
function fileSystemError(thrown: unknown): DaemonError | undefined {
  const errno = codeOf(thrown)
  const refusal = errno === undefined ? undefined : REFUSALS.get(errno)
  if (errno === undefined || refusal === undefined || !(thrown instanceof Error)) return undefined
  const path = 'path' in thrown && typeof thrown.path === 'string' ? thrown.path : undefined
  if (path === undefined && !PATHLESS.has(errno)) return undefined
  const [code, reason, remedy] = refusal
  const call = 'syscall' in thrown && typeof thrown.syscall === 'string' ? `, ${thrown.syscall}` : ''
  return new DaemonError(
    code,
    `${path ?? 'A file could not be written'}: ${reason} (${errno}${call})`,
    remedy,
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

/** For `catch`: `fallback` where there is no such file, the error itself where that is not known. */
export function unlessMissing<T>(fallback: T): (error: unknown) => T {
  return (error) => {
    const code = codeOf(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return fallback
    throw error
  }
}

/** Of an id that no row has, which may be megabytes long: what is shown, characters. */
const SHOWN_ID = 200

/** The contract's words for both "does not exist" and "is not yours". */
export function notFound(entity: string, id: string): DaemonError {
  const shown = id.length > SHOWN_ID ? `${id.slice(0, SHOWN_ID)}…` : id
  return new DaemonError(
    'NOT_FOUND',
    `${entity} ${shown} not found or not accessible`,
    'Check the id; nothing was changed.',
  )
}

/** Ends with a full stop unless it ends a sentence already. */
export function sentence(text: string): string {
  const trimmed = text.trim()
  return trimmed === '' || /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`
}
