import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { runCli } from '../../daemon/cli/program.ts'
import { fakeTerminal } from './terminal.ts'

/** For the tests of a file a directory of their own, and the command line with a home below it that is not there yet. */
export function commandLine() {
  let directory = ''
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 's4m-cli-'))
  })
  afterAll(() => rm(directory, { recursive: true, force: true }))
  const home = () => join(directory, 'home')
  return {
    directory: () => directory,
    home,
    async cli(args: string[], env: NodeJS.ProcessEnv = {}, input = '') {
      const terminal = fakeTerminal({ input })
      const code = await runCli(args, {
        terminal,
        cwd: directory,
        env: { PATH: process.env.PATH, HOME: directory, SCRUM4ME_HOME: home(), ...env },
      })
      return { code, stdout: terminal.stdout, stderr: terminal.stderr }
    },
  }
}
