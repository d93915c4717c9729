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

/**
 * git only warns of such a directory and lists nothing of it, and takes such a file for unchanged with no more than a
 * line of its own. `stderr`: of `ls-files`, `diff-files` or `status`, LC_ALL=C.
 */
export function refuseUnreadable(stderr: string): void {
  const warning = /could not open directory '(.*)': .+/.exec(stderr)
  if (warning !== null) throw new Unreadable(warning[1] ?? '')
  const complaint = stderr.split('\n').find((line) => line !== '' && !/^(warning|hint): /.test(line))
  if (complaint !== undefined) throw new Unreadable(complaint, 'file')
}
