import type { Paths } from '../paths.ts'

/** The command line a person types for this installation, `--home` included when it is not the default. */
export function daemonCommand(command: string, paths: Pick<Paths, 'home' | 'isDefaultHome'>): string {
  const home = paths.isDefaultHome ? '' : ` --home ${quote(paths.home)}`
  return `scrum4me-daemon ${command}${home}`
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
