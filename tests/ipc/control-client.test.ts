import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { expect, onTestFinished, test } from 'vitest'
import { DaemonError } from '../../daemon/errors.ts'
import { control } from '../../daemon/ipc/control-client.ts'
import type { Endpoint } from '../../daemon/ipc/endpoint.ts'
import { holders } from './holder.ts'
import { tempHome } from './temp-home.ts'
import { testEndpoint } from './test-endpoint.ts'

const holder = holders()
const ask = { timeoutMs: 5_000 }

test('the control client loads none of the heavy packages', async () => {
  const { metafile } = await build({
    entryPoints: [fileURLToPath(new URL('../../daemon/ipc/control-client.ts', import.meta.url))],
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
  })
  const packages = Object.keys(metafile.inputs).flatMap(
    (path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? [],
  )
  expect([...new Set(packages)].sort()).toEqual(['event-pubsub', 'node-ipc', 'strong-type'])
})

test('result, error without secrets, and what a missing or silent daemon is called', async () => {
  const paths = await tempHome()
  await expect(
    control(paths.socket, 'status', {}, { ...ask, startCommand: 'start it' }),
  ).rejects.toMatchObject({
    failure: 'not_running',
    code: 'DAEMON_UNREACHABLE',
    remedy: 'Start it: start it',
  })
  let endpoint: Endpoint | undefined
  const made = testEndpoint(paths, {
    onControl: async ({ method, params }) => {
      if (method === 'fail') throw new DaemonError('CONFLICT', 'no, top-secret', 'ask top-secret')
      if (method === 'huge') return 'x'.repeat(9 * 1024 * 1024)
      if (method === 'never') return new Promise(() => undefined)
      if (method === 'hang up') return endpoint?.stop()
      return { method, params }
    },
  })
  endpoint = made.endpoint
  await endpoint.start()
  onTestFinished(() => made.endpoint.stop())
  expect(await control(paths.socket, 'status', { a: [1] }, ask)).toEqual({
    method: 'status',
    params: { a: [1] },
  })
  await expect(control(paths.socket, 'fail', {}, ask)).rejects.toMatchObject({
    failure: 'failed',
    code: 'CONFLICT',
    message: 'no, ***',
    remedy: 'ask ***',
  })
  await expect(control(paths.socket, 'huge', {}, ask)).rejects.toMatchObject({
    failure: 'failed',
    code: 'INTERNAL',
  })
  await expect(control(paths.socket, 'never', {}, { timeoutMs: 200 })).rejects.toMatchObject({
    failure: 'not_answering',
  })
  await expect(control(paths.socket, 'hang up', {}, ask)).rejects.toMatchObject({
    failure: 'not_answering',
  })
  await expect(control(paths.socket, 'status', {}, ask)).rejects.toMatchObject({ failure: 'not_running' })
  await mkdir(paths.socket)
  await expect(control(paths.socket, 'status', {}, ask)).rejects.toMatchObject({ failure: 'not_running' })
})

test('a stopped daemon is not answering, within the time given', async () => {
  const paths = await tempHome()
  const stopped = holder.start(paths)
  await stopped.line(/^serving/)
  stopped.child.kill('SIGSTOP')
  const begun = performance.now()
  await expect(control(paths.socket, 'status', {}, { timeoutMs: 5_000, helloMs: 300 })).rejects.toMatchObject(
    {
      failure: 'not_answering',
      message: expect.stringContaining('no hello within 300 ms'),
    },
  )
  expect(performance.now() - begun).toBeLessThan(3_000)
})
