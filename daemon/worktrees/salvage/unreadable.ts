/**
 * Thrown for a directory that cannot be looked into, or a file that cannot be looked at: what is there is not known, so
 * it must not be taken for empty or unchanged.
 */
export class Unreadable extends Error {
  constructor(what: string, kind: 'directory' | 'file' = 'directory') {
    super(`a ${kind} cannot be read: ${what}`)
    this.name = 'Unreadable'
  }
}

/** Characters of a path that a reason names. */
const LONGEST = 300

/**
 * git only warns of such a directory and lists nothing of it, and takes such a file for unchanged with no more than a
 * line of its own. `stderr`: of `ls-files`, `diff-files` or `status`, LC_ALL=C.
 */
export function refuseUnreadable(stderr: string): void {
  // Of a path that is too long git cuts off the end of its line.
  const warning = /could not open directory '([^']*)/.exec(stderr)?.[1]
  if (warning !== undefined) throw new Unreadable(shortened(warning))
  const complaint = stderr.split('\n').find((line) => line !== '' && !/^(warning|hint): /.test(line))
  if (complaint !== undefined) throw new Unreadable(complaint, 'file')
}

function shortened(path: string): string {
  return path.length > LONGEST ? `${path.slice(0, LONGEST)}…` : path
}
