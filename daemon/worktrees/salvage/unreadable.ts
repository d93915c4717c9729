/**
 * Thrown for a directory that cannot be looked into: what lies in it is not known, so it must not be taken for empty.
 */
export class Unreadable extends Error {
  constructor(what: string) {
    super(`a directory cannot be read: ${what}`)
    this.name = 'Unreadable'
  }
}

/** git only warns of such a directory, and lists nothing of it. `stderr`: of `ls-files --others` or `status`, LC_ALL=C. */
export function refuseUnreadable(stderr: string): void {
  const warning = /could not open directory '(.*)': .+/.exec(stderr)
  if (warning !== null) throw new Unreadable(warning[1] ?? '')
}
