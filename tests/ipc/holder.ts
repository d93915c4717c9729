import { fileURLToPath } from 'node:url'
import { beforeAll } from 'vitest'
import { NODE_FLAGS } from '../../daemon/cli/detached.ts'
import type { Paths } from '../../daemon/paths.ts'
import { compileProgram, Program } from './run-program.ts'

/** Starts holder processes (`programs/holder.ts`) with the daemon's own flags. For use at the top of a test file. */
export function holders(): { start(paths: Pick<Paths, 'home'>, env?: NodeJS.ProcessEnv): Program } {
  const program = programFile('holder')
  return {
    start: ({ home }, env = {}) =>
      new Program(process.execPath, ['--expose-gc', ...NODE_FLAGS, program.file], {
        env: { ...process.env, SCRUM4ME_HOME: home, ...env },
      }),
  }
}

/** A program of `programs/`, compiled once per test file. */
export function programFile(name: string): { readonly file: string } {
  let file = ''
  beforeAll(async () => {
    const program = await compileProgram(fileURLToPath(new URL(`programs/${name}.ts`, import.meta.url)))
    file = program.file
    return program.remove
  })
  return {
    get file() {
      return file
    },
  }
}
