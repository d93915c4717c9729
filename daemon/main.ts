#!/usr/bin/env node
// The bin, and the only place that ends the process. `mcp` is handed to the bundled shim before anything
// else is loaded: there is one shim per agent session, and what it does not load it does not cost.
if (isShim(process.argv.slice(2))) {
  await import(new URL('../shim/main.js', import.meta.url).href)
} else {
  forgetPostgresVariables(process.env)
  const [{ runCli }, { processTerminal }] = await Promise.all([
    import('./cli/program.ts'),
    import('./cli/terminal.ts'),
  ])
  const terminal = processTerminal(process)
  let code = await runCli(process.argv.slice(2), {
    env: process.env,
    cwd: workingDirectory(),
    terminal,
  })
  // Ending takes along what is still on its way to a slow reader.
  await flushed(process.stdout)
  if (terminal.lost !== undefined) {
    terminal.err(`The output could not be written: ${terminal.lost.message}`)
    code ||= 1
  }
  await flushed(process.stderr)
  process.exit(code)
}

/**
 * node-postgres fills what a URL leaves open from PGPORT, PGSSLMODE, PGOPTIONS and the like. Where the database
 * is, is said by our own settings alone: a daemon of a service sees no shell, and must find the same one.
 */
function forgetPostgresVariables(env: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(env)) if (/^PG[A-Z]/.test(name)) delete env[name]
}

/** `[--home DIR] mcp …`, but not a question for its help. */
function isShim(args: readonly string[]): boolean {
  const first = args.findIndex((word, index) => !word.startsWith('--home') && args[index - 1] !== '--home')
  return args[first] === 'mcp' && !args.includes('--help') && !args.includes('-h')
}

/** Resolves when everything written so far is out, or cannot be. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()))
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
