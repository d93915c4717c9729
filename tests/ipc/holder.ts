import { fileURLToPath } from 'node:url'
import { beforeAll } from 'vitest'
import type { Paths } from '../../daemon/paths.ts'
import { compileProgram, Program } from './run-program.ts'

/** Starts holder processes (`programs/holder.ts`). For use at the top of a test file. */
export function holders(): { start(paths: Pick<Paths, 'home'>, env?: NodeJS.ProcessEnv): Program } {
  let file = ''
  beforeAll(async () => {
    const program = await compileProgram(fileURLToPath(new URL('programs/holder.ts', import.meta.url)))
    file = program.file
    return program.remove
  })
  return {
    start: ({ home }, env = {}) =>
      new Program(process.execPath, [file], { env: { ...process.env, SCRUM4ME_HOME: home, ...env } }),
  }
}
