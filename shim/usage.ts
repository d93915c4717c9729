export const USAGE = `Usage: scrum4me-mcp [--home <dir>] [--version]
Speaks MCP on stdin and stdout; the same as \`scrum4me-daemon mcp\`.`

/** An empty variable in an MCP configuration must not lead a session to another installation, the default one. */
const NO_DIRECTORY = "option '--home <dir>' argument '' is invalid. It names no directory."

/**
 * What is wrong with the command line, undefined when nothing is. By hand: `parseArgs` of `node:util` takes a
 * tenth of an idle shim's memory.
 */
export function wrongUsage(args: readonly string[]): string | undefined {
  let isNamed = false
  for (let at = 0; at < args.length; at += 1) {
    const word = args[at] ?? ''
    if (word === '--home') {
      at += 1
      if (args[at] === undefined) return "option '--home <dir>' argument missing"
      if (args[at] === '') return NO_DIRECTORY
    } else if (word === '--home=') return NO_DIRECTORY
    else if (word.startsWith('--home=')) continue
    else if (word.startsWith('-')) return `unknown option '${word}'`
    else if (word === 'mcp' && !isNamed) isNamed = true
    else return `too many arguments: '${word}'`
  }
  return undefined
}
