// Makes a fresh clone ready with nothing but Node and npm: installs what is missing, builds what is stale.
// `npm test` and `npm run demo` run it first; `npm run build` runs it with `install`.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const npm = process.env.npm_execpath

function run(args) {
  const command = npm ? [process.execPath, npm, ...args] : ['npm', ...args]
  // Progress goes to stderr: a caller may read this process's stdout.
  const result = spawnSync(command[0], command.slice(1), { cwd: root, stdio: ['ignore', 2, 2] })
  if (result.status !== 0) {
    console.error(`npm ${args.join(' ')} failed (${result.status ?? result.error?.message}).`)
    process.exit(result.status ?? 1)
  }
}

const lock = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex')
const installMark = join(root, 'node_modules', '.scrum4me-installed')
if (!existsSync(installMark) || readFileSync(installMark, 'utf8') !== lock) {
  run(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'])
  writeFileSync(installMark, lock)
}

function newest(path) {
  if (path.endsWith('generated')) return 0
  const stat = statSync(path)
  if (!stat.isDirectory()) return stat.mtimeMs
  return Math.max(stat.mtimeMs, 0, ...readdirSync(path).map((name) => newest(join(path, name))))
}

if (process.argv[2] !== 'install') {
  const sources = [
    'daemon',
    'shim',
    'prisma',
    'tests/demo',
    'tests/support',
    'tests/bench',
    'tsconfig.build.json',
  ]
  const mark = join(root, 'dist', '.built')
  const since = Math.max(
    0,
    ...sources
      .map((name) => join(root, name))
      .filter(existsSync)
      .map(newest),
  )
  if (!existsSync(mark) || statSync(mark).mtimeMs < since) {
    run(['run', 'build', '--silent'])
    mkdirSync(join(root, 'dist'), { recursive: true })
    writeFileSync(mark, '')
  }
}
