// Makes dist/daemon: what the bins `scrum4me-daemon` and the process that runs git load, with everything they
// import, in a few dozen files. One by one, the thousand modules behind a daemon take three times as long to find and read, and a
// daemon that was killed should be back within a second. What each command does not need stays in a file of its
// own. `node daemon/bundle.mjs DIRECTORY` writes it elsewhere (tests use it).
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { compilerAsBytes, englishOnly, escapeCharacters, noHttpClient } from './bundle-weight.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const target = process.argv[2] === undefined ? join(root, 'dist', 'daemon') : resolve(process.argv[2])

rmSync(target, { recursive: true, force: true })
mkdirSync(target, { recursive: true })
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: ['daemon/main.ts', 'daemon/worktrees/git/git-main.ts'],
  outdir: target,
  // One directory without folders: a file finds `git-main.js` and `../shim` beside it, wherever its source was.
  entryNames: '[name]',
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  metafile: true,
  // `pg` looks for it and does without.
  external: ['pg-native'],
  plugins: [englishOnly, compilerAsBytes, noHttpClient],
  // For what is CommonJS inside.
  banner: {
    js: "import { createRequire as scrum4meRequire } from 'node:module'; const require = scrum4meRequire(import.meta.url);",
  },
  legalComments: 'none',
})
escapeCharacters(target)
chmodSync(join(target, 'main.js'), 0o755)
writeFileSync(join(target, 'LICENSES.txt'), licenses(Object.keys(metafile.inputs)))

/** The names and licenses of the packages whose code is in the bundle, as their licenses ask for. */
function licenses(inputs) {
  const folders = inputs.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? [])
  const texts = [...new Set(folders)].sort().map((folder) => {
    const path = join(root, folder)
    const { name, version, license } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'))
    const file = readdirSync(path).find((entry) => /^licen[cs]e/i.test(entry))
    const text = file === undefined ? '' : readFileSync(join(path, file), 'utf8').trim()
    return `${name} ${version} (${license})\n\n${text}`
  })
  return `dist/daemon and dist/shim contain code of these packages.\n\n${texts.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`
}
