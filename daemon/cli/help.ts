import type { Command } from 'commander'
import { printable } from './style.ts'

/** `help [command...]`, for subcommands of subcommands too: commander's own knows the first word only. */
export function addHelp(program: Command): void {
  program
    .helpCommand(false)
    .command('help')
    .argument('[command...]')
    .description('show how a command is used')
    .action((words: string[]) => {
      let about = program
      for (const word of words) {
        const next = about.commands.find((one) => one.name() === word)
        if (next === undefined) throw unknownCommand(about, word)
        about = next
      }
      about.outputHelp()
    })
}

/** A command that lists by itself and has subcommands: a word after it can only be a mistyped one of these. */
export function refuseUnknown(parent: Command, called: Command): void {
  const [word] = called.args
  if (called === parent && word !== undefined) throw unknownCommand(parent, word)
}

function unknownCommand(parent: Command, word: string): unknown {
  const known = parent.commands.map((one) => one.name()).join(', ')
  const choices = known === '' ? '' : ` (there are ${known})`
  return parent.error(`error: unknown command '${printable(word)}'${choices}`, {
    code: 'commander.unknownCommand',
  })
}
