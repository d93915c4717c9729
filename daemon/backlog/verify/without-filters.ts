import type { Git } from './git.ts'

const FILTER = /^(filter\..+)\.(?:clean|smudge|process|required)\n/s

/**
 * The same git with the clone's own filters switched off. Where times say nothing git compares contents, and would
 * run a program that the clone's configuration names; filters of the user's own configuration stay.
 */
export async function withoutFilters(git: Git, directory: string): Promise<Git> {
  const pattern = '^filter\\..*\\.(clean|smudge|process|required)$'
  // Git exits with 1 when nothing matches.
  const output = await git(directory, ['config', '--show-scope', '-z', '--get-regexp', pattern]).catch(
    () => '',
  )
  const fields = output.split('\0')
  const names = new Set<string>()
  for (let index = 0; index + 1 < fields.length; index += 2) {
    if (fields[index] !== 'local' && fields[index] !== 'worktree') continue
    const name = FILTER.exec(fields[index + 1] ?? '')?.[1]
    if (name !== undefined) names.add(name)
  }
  const off = [...names].flatMap((name) =>
    ['clean=', 'smudge=', 'process=', 'required=false'].flatMap((setting) => ['-c', `${name}.${setting}`]),
  )
  return (cwd, args) => git(cwd, [...off, ...args])
}
