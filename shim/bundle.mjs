// Makes dist/shim/main.js, the one file a session starts, and finishes the build around it.
// `node shim/bundle.mjs [directory]` writes the shim elsewhere and touches nothing else (tests use it).
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')
const target = process.argv[2] ?? join(dist, 'shim')

/** What the shim answers while no daemon is there, taken from the very catalog that the daemon serves. */
async function readAnswers() {
  const compiled = join(dist, 'daemon/tools/static-answers.js')
  if (!existsSync(compiled)) return { tools: [], prompts: [], catalog: '' }
  const { staticAnswers } = await import(compiled)
  return staticAnswers()
}

const { tools, prompts, instructions, catalog } = await readAnswers()
// tsc has compiled the sources one by one; only the bundle runs.
rmSync(target, { recursive: true, force: true })
mkdirSync(target, { recursive: true })
// CommonJS: it starts faster than an ES module, and its imports wait until they are needed.
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
      tools: JSON.stringify({ tools }),
      prompts: JSON.stringify({ prompts }),
      instructions: JSON.stringify(instructions ?? null),
      catalog,
    }),
    'import.meta.url': '__filename',
  },
})
chmodSync(join(target, 'main.js'), 0o755)

if (target === join(dist, 'shim')) {
  const daemon = join(dist, 'daemon/main.js')
  if (existsSync(daemon)) chmodSync(daemon, 0o755)
  writeFileSync(join(dist, '.built'), '')
}
