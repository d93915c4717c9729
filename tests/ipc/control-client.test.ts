import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { expect, test } from 'vitest'

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
