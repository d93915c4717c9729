import type { Command } from 'commander'
import { bashScript, fishScript, type Place, zshScript } from './completion-scripts.ts'
import type { Invocation } from './invocation.ts'

/** Prints a completion script, made from the same definitions as the commands themselves. */
export async function completion(
  { terminal }: Invocation,
  shell: 'bash' | 'zsh' | 'fish',
  program: Command,
): Promise<number> {
  const script = { bash: bashScript, zsh: zshScript, fish: fishScript }[shell]
  terminal.raw(script(collect(program, '')))
  return 0
}

/** Where a path may stand. */
const PATHS: ReadonlyMap<string, 'directories' | 'files'> = new Map([
  ['init', 'directories'],
  ['worktrees restore', 'directories'],
  ['db dump', 'files'],
])

/** Every place where a word can stand, the beginning first. */
export function collect(command: Command, path: string): Place[] {
  const commands = command.commands.map((sub) => ({ name: sub.name(), description: sub.description() }))
  const choices = command.registeredArguments.flatMap((argument) => argument.argChoices ?? [])
  commands.push(...choices.map((name) => ({ name, description: '' })))
  const options = command.options
    .filter((option) => option.long !== undefined && option.long !== null)
    .map((option) => ({ flag: option.long ?? '', short: option.short, description: option.description }))
  options.push({ flag: '--help', short: undefined, description: 'show usage' })
  if (path !== '') options.push({ flag: '--home', short: undefined, description: 'home of the installation' })
  const below = command.commands.flatMap((sub) =>
    collect(sub, path === '' ? sub.name() : `${path} ${sub.name()}`),
  )
  return [{ path, commands, options, paths: PATHS.get(path) }, ...below]
}
