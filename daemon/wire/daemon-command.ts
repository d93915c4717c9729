import type { Paths } from '../paths.ts'

/** The command line a person types for this installation, `--home` included when it is not the default. */
export function daemonCommand(command: string, paths: Pick<Paths, 'home' | 'isDefaultHome'>): string {
  const home = paths.isDefaultHome ? '' : ` --home ${shellWord(paths.home)}`
  return `scrum4me-daemon ${command}${home}`
}

/** A word as a POSIX shell reads it back. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
