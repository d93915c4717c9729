#!/usr/bin/env node
// The bin, and the only place that ends the process. `mcp` is handed to the bundled shim before anything
// else is loaded: there is one shim per agent session, and what it does not load it does not cost.
const shimHome = mcpHome(process.argv.slice(2))

if (shimHome !== undefined) {
  if (shimHome !== '') process.env.SCRUM4ME_HOME = shimHome
  await import(new URL('../shim/main.js', import.meta.url).href)
} else {
  const [{ runCli }, { processTerminal }] = await Promise.all([
    import('./cli/program.ts'),
    import('./cli/terminal.ts'),
  ])
  const code = await runCli(process.argv.slice(2), {
    env: process.env,
    cwd: workingDirectory(),
    terminal: processTerminal(process),
  })
  process.exit(code)
}

/** `--home` of an `mcp` command line, empty without one; undefined: another command. */
function mcpHome(args: readonly string[]): string | undefined {
  let home = ''
  let isShim = false
  for (let index = 0; index < args.length; index += 1) {
    const argument = args[index]
    if (argument === '--home') {
      index += 1
      home = args[index] ?? ''
    } else if (argument?.startsWith('--home=')) home = argument.slice('--home='.length)
    else if (argument === 'mcp') isShim = true
    else if (!isShim) return undefined
    else if (argument === '--help' || argument === '-h') return undefined
  }
  return isShim ? home : undefined
}

/** A directory that was deleted under us is no reason to fail. */
function workingDirectory(): string {
  try {
    return process.cwd()
  } catch {
    process.chdir('/')
    return '/'
  }
}
