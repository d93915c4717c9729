import { VERSION } from '../daemon/version.ts'
import { Session } from './session.ts'
import { USAGE, wrongUsage } from './usage.ts'

// The bin `scrum4me-mcp`, and what `scrum4me-daemon mcp` imports: loading it runs it, both ways. One MCP session
// on stdin and stdout. It is over when stdin ends, nobody reads stdout, or a signal says so; never because the
// daemon went away.

/** A line over the frame limit is read up to here, to learn which request must be refused. Characters. */
const MAX_LINE = 32 * 1024 * 1024
/** For a client that closed stdin but still reads the last answers: nearly all of contract 7's 100, ms. */
const FLUSH_MS = 80

const args = process.argv.slice(2)
if (args.includes('--help') || args.includes('-h')) {
  process.stdout.write(`${USAGE}\n`)
  process.exit(0)
}
if (args.includes('--version')) {
  process.stdout.write(`${VERSION}\n`)
  process.exit(0)
}
const fault = wrongUsage(args)
if (fault !== undefined) {
  process.stderr.write(`error: ${fault}\n${USAGE}\n`)
  process.exit(2)
}

const { stdin, stdout } = process
const session = new Session()
let unfinished = ''

stdin.setEncoding('utf8').on('data', (chunk: string) => {
  const lines = chunk.split('\n')
  const rest = lines.pop() ?? ''
  for (const line of lines) {
    session.fromClient(unfinished + line)
    unfinished = ''
  }
  // A line that loses parts here is refused for its length, whatever the rest of it says.
  if (unfinished.length <= MAX_LINE) unfinished += rest
})
for (const event of ['end', 'error']) {
  stdin.on(event, () => {
    stdout.write('', over)
    setTimeout(over, FLUSH_MS)
  })
}
stdout.on('error', over)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, over)

function over(): void {
  process.exit(0)
}
