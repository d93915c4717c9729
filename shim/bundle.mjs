// Makes dist/shim/main.js, the one file a session starts, and finishes the build around it.
// `node shim/bundle.mjs DIRECTORY` writes the shim elsewhere and touches nothing else (tests use it).
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')
const ours = join(dist, 'shim')
const target = process.argv[2] === undefined ? ours : resolve(process.argv[2])

/**
 * Stand-ins for built-in modules: node-ipc can also speak TLS and UDP, and makes itself a `require`, and
 * `node:fs/promises` loads a dozen others for two functions. A shim uses none of it, and loading it costs
 * a quarter of an idle shim's own memory.
 */
const STAND_INS = {
  'node:tls': 'export default undefined',
  'node:dgram': 'export default undefined',
  'node:module': 'export const createRequire = () => undefined',
  'node:fs/promises': `
    import * as fs from 'node:fs'
    import { promisify } from 'node:util'
    export const lstat = promisify(fs.lstat)
    export const readFile = promisify(fs.readFile)`,
}

const standIns = {
  name: 'stand-ins',
  setup(bundle) {
    const filter = new RegExp(`^(${Object.keys(STAND_INS).join('|')})$`)
    bundle.onResolve({ filter }, ({ path }) => ({ path, namespace: 'stand-in' }))
    bundle.onLoad({ filter: /./, namespace: 'stand-in' }, ({ path }) => ({ contents: STAND_INS[path] }))
  },
}

/** What the shim answers while no daemon is there, from the very sources that the daemon serves. */
async function readAnswers() {
  // Beside node_modules, where its imports resolve; named by process, because tests bundle at the same time.
  const compiled = join(root, 'node_modules', '.cache', `static-answers-${process.pid}.mjs`)
  await build({
    entryPoints: [join(root, 'daemon/tools/static-answers.ts')],
    outfile: compiled,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
  })
  try {
    const { staticAnswers } = await import(pathToFileURL(compiled).href)
    return staticAnswers()
  } finally {
    rmSync(compiled)
  }
}

const { capabilities, serverInfo, instructions, tools, prompts = [], catalog } = await readAnswers()
// tsc has compiled the sources one by one; only the bundle runs.
rmSync(target, { recursive: true, force: true })
mkdirSync(target, { recursive: true })
// CommonJS starts faster than an ES module, and what it imports lazily is not loaded before it is needed.
writeFileSync(join(target, 'package.json'), '{"type":"commonjs"}\n')
await build({
  entryPoints: [join(root, 'shim/main.ts')],
  outfile: join(target, 'main.js'),
  bundle: true,
  minify: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  banner: { js: '#!/usr/bin/env node' },
  define: {
    SCRUM4ME_ANSWERS: JSON.stringify({
      initialize: JSON.stringify({ capabilities, serverInfo, instructions }).slice(1, -1),
      lists: [
        ['tools/list', JSON.stringify({ tools })],
        ['prompts/list', JSON.stringify({ prompts })],
      ],
      catalog,
    }),
    'import.meta.url': 'undefined',
  },
  plugins: [standIns],
})
chmodSync(join(target, 'main.js'), 0o755)

if (target === ours) {
  const daemon = join(dist, 'daemon/main.js')
  if (existsSync(daemon)) chmodSync(daemon, 0o755)
  writeFileSync(join(dist, '.built'), '')
}
