import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { tempDirectory, tempHome } from '../ipc/temp-home.ts'
import { testEndpoint } from '../ipc/test-endpoint.ts'
import { until } from '../support/until.ts'
import { bundledShim } from './bundled-shim.ts'

const shim = bundledShim()

test('names the agent behind shells and a package runner', async () => {
  const paths = await tempHome()
  const { endpoint, sessions } = testEndpoint(paths)
  await endpoint.start()
  onTestFinished(() => endpoint.stop())
  const directory = await tempDirectory()
  const runner = join(directory, 'npx-cli.js')
  const quoted = JSON.stringify([shim.file])
  // Each level waits for the one below it: agent → sh → npx → sh → shim.
  await writeFile(
    runner,
    `require('child_process').spawnSync('sh', ['-c', process.execPath + ' ' + ${quoted}[0] + '; true'], { stdio: 'inherit' })`,
  )
  const agent = `require('child_process').spawnSync('sh', ['-c', process.execPath + ' ${runner}; true'], { stdio: 'inherit' })`
  const child = spawn(process.execPath, ['-e', agent], {
    env: { ...process.env, SCRUM4ME_HOME: paths.home },
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  child.stdin?.write('{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
  await until('it connects', () => sessions.length === 1)
  expect(sessions[0]?.hello.clientProcess?.pid).toBe(child.pid)
  expect(sessions[0]?.hello.clientProcess?.startedAt).toMatch(/\d/)
  child.stdin?.end()
  await sessions[0]?.closed
})
