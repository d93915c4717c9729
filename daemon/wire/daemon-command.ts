import type { Paths } from '../paths.ts'

/** The command line a person types for this installation, `--home` included when it is not the default. */
export function daemonCommand(command: string, paths: Pick<Paths, 'home' | 'isDefaultHome'>): string {
  const home = paths.isDefaultHome ? '' : ` --home ${shellWord(paths.home)}`
  return `scrum4me-daemon ${command}${home}`
}

/** Every command of ours that a text quotes in backticks, as it is typed for this installation. */
export function withHome(text: string, paths: Pick<Paths, 'home' | 'isDefaultHome'>): string {
  return text.replace(/`scrum4me-daemon ([^`]+)`/g, (quoted, command: string) =>
    / --home\b/.test(command) ? quoted : `\`${daemonCommand(command, paths)}\``,
  )
}

/** A word as a POSIX shell reads it back. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
