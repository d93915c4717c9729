import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The shim of these sources, bundled as the build does it. For use at the top of a test file. */
export function bundledShim(): { readonly file: string } {
  let directory = ''
  beforeAll(async () => {
    directory = await mkdtemp('/tmp/s4m-shim-')
    await promisify(execFile)(process.execPath, [join(root, 'shim/bundle.mjs'), directory])
  })
  afterAll(() => rm(directory, { recursive: true, force: true }))
  return {
    get file() {
      return join(directory, 'main.js')
    },
  }
}
