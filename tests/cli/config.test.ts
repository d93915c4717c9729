import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { commandLine } from './command-line.ts'

const { cli, directory, home } = commandLine()

test('config shows what a start from here would use, --home included', async () => {
  const { code, stdout, stderr } = await cli(['config', '--json', '--home', join(directory(), 'other')], {
    SCRUM4ME_TOKEN: 'secret-token-123',
    DATABASE_URL: 'postgresql://u:hunter22@h/d',
  })
  expect(code).toBe(0)
  expect(JSON.parse(stdout).settings).toContainEqual({
    name: 'SCRUM4ME_HOME',
    value: join(directory(), 'other'),
    source: '--home',
  })
  expect(stdout + stderr).not.toMatch(/secret-token-123|hunter22/)
})

test('a wrong configuration is shown whole, the faults beside the values, without its secrets', async () => {
  const env = { SCRUM4ME_TOKEN: 'secret token', SCRUM4ME_LEASE_SECONDS: '-1' }
  const { code, stdout, stderr } = await cli(['config'], env)
  expect(code).toBe(1)
  expect(stdout).toMatch(/SCRUM4ME_LEASE_SECONDS +-1 +environment +✗ expected an integer/)
  expect(stdout).toMatch(/SCRUM4ME_TOKEN +\*\*\* +environment +✗ expected an API token/)
  expect(stdout).toMatch(/SCRUM4ME_HEARTBEAT_SECONDS +5 +default/)
  expect(stderr).toContain('SCRUM4ME_TOKEN: expected')
  expect(stderr).toContain('SCRUM4ME_LEASE_SECONDS: expected')
  expect(stdout + stderr).not.toContain('secret token')
  const json = await cli(['config', '--json'], env)
  expect(json).toMatchObject({ code: 1, stderr: '' })
  const { settings, faults } = JSON.parse(json.stdout)
  expect(settings).toContainEqual(
    expect.objectContaining({ name: 'SCRUM4ME_LEASE_SECONDS', value: '-1', fault: expect.any(String) }),
  )
  expect(faults.map((fault: { name: string }) => fault.name).sort()).toEqual([
    'SCRUM4ME_LEASE_SECONDS',
    'SCRUM4ME_TOKEN',
  ])
})

test('a name in daemon.env that means nothing is listed as ignored, its value unseen', async () => {
  const other = join(directory(), 'misspelt')
  await mkdir(other, { mode: 0o700 })
  await writeFile(join(other, 'daemon.env'), 'SCRUM4ME_TOKN=hush-hush-1234\n', { mode: 0o600 })
  const { code, stdout } = await cli(['config', '--home', other])
  expect(code).toBe(0)
  expect(stdout).toMatch(/SCRUM4ME_TOKN .*ignored.*daemon\.env +! not known/)
  expect(stdout).not.toContain('hush-hush')
})

test('run with a wrong configuration exits 78 and creates nothing', async () => {
  const { code, stderr } = await cli(['run'], { SCRUM4ME_PRESENCE: 'always' })
  expect(code).toBe(78)
  expect(stderr).toContain('SCRUM4ME_PRESENCE')
  expect(stderr).toContain(`\`scrum4me-daemon config --home ${home()}\``)
  await expect(stat(home())).rejects.toThrow('ENOENT')
})

test('control characters of a foreign answer do not reach the terminal', async () => {
  const { stderr } = await cli(['config'], { SCRUM4ME_PRESENCE: '\u001b[2Jx' })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is the point
  expect(stderr).not.toMatch(/\u001b/)
})
