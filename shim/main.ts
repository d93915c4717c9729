import { runShim } from './run.ts'

// The bin `scrum4me-mcp`, and what `scrum4me-daemon mcp` imports: loading it runs it, both ways.
void runShim({ argv: process.argv.slice(2), env: process.env }).then(() => process.exit(0))
