import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { MAIN } from './support/installation.ts'

test('nothing that a daemon is made of loads Node’s HTTP client, which takes megabytes', async () => {
  const directory = dirname(MAIN)
  const bundled = (await readdir(directory)).find((name) => /^daemon-\w+\.js$/.test(name))
  const file = pathToFileURL(join(directory, bundled ?? 'is not there')).href
  const program = `await import(${JSON.stringify(file)}); console.log(process.moduleLoadList.join())`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program])
  expect(stdout).toContain('NativeModule net')
  expect(stdout).not.toContain('undici')
})
