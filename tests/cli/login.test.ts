import { stat } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { commandLine } from './command-line.ts'

const { cli, home } = commandLine()

test('asks for both, checks the shape, and saves nothing it could not check', async () => {
  expect(await cli(['login'], {}, '')).toMatchObject({ code: 1 })
  expect(await cli(['login'], {}, 'not a url\ntoken-12345678\n')).toMatchObject({ code: 1 })
  const unreachable = await cli(
    ['login'],
    {},
    'DATABASE_URL=postgresql://u:hunter22@127.0.0.1:1/d\nSCRUM4ME_TOKEN=token-12345678\n',
  )
  expect(unreachable.code).toBe(1)
  expect(unreachable.stderr).toContain('DATABASE_UNAVAILABLE')
  expect(unreachable.stderr).not.toMatch(/hunter22|token-12345678/)
  await expect(stat(home())).rejects.toThrow('ENOENT')
})
