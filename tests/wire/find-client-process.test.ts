import { expect, test } from 'vitest'
import { isWrapper } from '../../daemon/wire/find-client-process.ts'

test.each([
  [true, ['sh', '-c', 'scrum4me-mcp']],
  [true, ['-bash']],
  [true, ['/usr/bin/zsh', '-l']],
  [true, ['npm exec scrum4me-daemon mcp']],
  [true, ['node', '/usr/lib/node_modules/npm/bin/npx-cli.js', 'scrum4me-daemon', 'mcp']],
  [true, ['/usr/bin/node', '/x/pnpm.cjs', 'dlx']],
  [true, ['/usr/bin/env', 'scrum4me-mcp']],
  [false, ['claude']],
  [false, ['node', '/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js']],
  [false, ['/usr/bin/node', '/home/me/agent.js', 'npm']],
  [false, ['code-helper', 'sh']],
  [false, []],
])('carries out a command line for another: %j %j', (expected, command) => {
  expect(isWrapper(command)).toBe(expected)
})
