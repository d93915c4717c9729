import { join } from 'node:path'
import { expect, test } from 'vitest'
import { commandLine } from './command-line.ts'

const { cli, directory, home } = commandLine()

test('carries --home when it is not the default, and no secret', async () => {
  const env = {
    SCRUM4ME_TOKEN: 'secret-token-123',
    DATABASE_URL: 'postgresql://u:hunter22@h/d',
    SCRUM4ME_AGENT_WORKTREE_DIR: join(directory(), 'trees'),
  }
  const { code, stdout } = await cli(['mcp-config'], env)
  expect(code).toBe(0)
  expect(stdout).toContain('claude mcp add --scope user scrum4me -- ')
  expect(stdout).toContain(`--home ${home()}`)
  expect(stdout).toContain('additionalDirectories')
  expect(stdout).not.toMatch(/secret-token-123|hunter22/)
  const json = JSON.parse((await cli(['mcp-config', '--json'], env)).stdout)
  expect(json.mcp_json.mcpServers.scrum4me.args.slice(-2)).toEqual(['--home', home()])
  expect(json.settings_json.permissions.additionalDirectories).toEqual([join(directory(), 'trees')])
  expect(json.mcp_json.mcpServers.scrum4me).not.toHaveProperty('env')
})

test('carries a socket that is not the home’s', async () => {
  const socket = join(directory(), 'so cket')
  const { stdout } = await cli(['mcp-config', '--json'], { SCRUM4ME_SOCKET: socket })
  const { command, mcp_json } = JSON.parse(stdout)
  expect(command).toContain(` scrum4me -e 'SCRUM4ME_SOCKET=${socket}' -- `)
  expect(mcp_json.mcpServers.scrum4me.env).toEqual({ SCRUM4ME_SOCKET: socket })
})

test('a service would not have such a socket: install refuses', async () => {
  const { code, stderr } = await cli(['install'], { SCRUM4ME_SOCKET: join(directory(), 'other.sock') })
  expect({ code, stderr }).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^VALIDATION_ERROR: SCRUM4ME_SOCKET=/),
  })
})
