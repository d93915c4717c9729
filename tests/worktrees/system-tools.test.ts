import { expect, test } from 'vitest'
import { systemTools } from '../../daemon/worktrees/system-tools.ts'

test("macOS' own tools come before Homebrew's GNU ones; elsewhere the PATH is the user's", () => {
  const env = { PATH: '/opt/homebrew/opt/coreutils/libexec/gnubin:/usr/bin', HOME: '/Users/me' }
  expect(systemTools(env, 'linux')).toEqual(env)
  expect(systemTools(env, 'darwin')).toEqual({
    PATH: `/usr/bin:/bin:${env.PATH}`,
    HOME: '/Users/me',
    COPYFILE_DISABLE: '1',
  })
})
