/** A git command that failed. `stderr` is what git said, with passwords in URLs masked. */
export class GitError extends Error {
  readonly command: string
  readonly exitCode: number | null
  readonly stderr: string
  readonly why: 'failed' | 'aborted' | 'deadline' | 'silent' | 'too-much' | 'not-started' | 'lost'

  constructor(command: string, exitCode: number | null, stderr: string, why: GitError['why'] = 'failed') {
    const said = maskUrls(stderr).trim()
    super(`git ${command} ${REASONS[why]}${said === '' ? '' : `: ${complaint(said)}`}`)
    this.name = 'GitError'
    this.command = command
    this.exitCode = exitCode
    this.stderr = said
    this.why = why
  }

  /** Two git processes met; the same command succeeds when tried again. */
  get isTransient(): boolean {
    return this.why === 'failed' && TRANSIENT.some((pattern) => pattern.test(this.stderr))
  }

  get isDiskFull(): boolean {
    return /No space left on device|Disk quota exceeded/i.test(this.stderr)
  }

  /** A checkout could not write some file; git does not say why. */
  get couldNotWrite(): boolean {
    return /unable to write file/i.test(this.stderr)
  }
}

const REASONS = {
  failed: 'failed',
  aborted: 'was called off',
  deadline: 'took too long and was ended',
  silent: 'said nothing for too long and was ended',
  'too-much': 'printed more than can be held and was ended',
  'not-started': 'could not be started',
  lost: 'may or may not have been carried out',
}

// Seen with git 2.39 when adds, fetches and gc run beside each other.
const TRANSIENT = [
  /failed to read .*commondir/,
  /cannot lock ref(?!.*(?:already exists|exists; cannot create|but expected|unable to resolve))/,
  /bad object worktrees\//,
  /Unable to create '.*\.lock': File exists/,
  /could not lock config file/,
  /unable to (?:read|open) .*packed-refs/,
  /reference broken|invalid HEAD - possibly/,
]

/**
 * URLs without what may be secret in them: the user information, and a query. What a server says comes by here, too:
 * the scheme is not looked for, since a long word would be tried at each of its letters.
 */
export function maskUrls(text: string): string {
  return text
    .replace(/:\/\/[^/\s']+@/g, '://***@')
    .replace(/:\/\/[^\s'"]+/g, (url) => url.replace(/\?.+$/s, '?***'))
}

/** What git complained about, without its progress and its general advice. */
function complaint(text: string): string {
  const lines = text.split(/[\r\n]+/).filter((line) => line.trim() !== '')
  const complaints = lines.filter((line) =>
    /^(fatal|error|remote: (ERROR|fatal|error)|ssh|Host key|.*: Permission)/.test(line),
  )
  return (complaints.length > 0 ? complaints : lines).slice(-3).join('; ').slice(-600)
}

/** The command among git's arguments, as errors name it. */
export function commandOf(args: readonly string[]): string {
  return args.find((argument) => !argument.startsWith('-')) ?? ''
}
