import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, normalize, relative } from 'node:path'
import { describe, expect, it } from 'vitest'

/** From top to bottom; an import points downwards only, inside a line only to the same folder. */
const LAYERS: readonly (readonly string[])[] = [
  ['daemon/main.ts'],
  ['daemon/cli'],
  ['daemon/daemon.ts', 'daemon/services.ts', 'daemon/compose'],
  ['daemon/mcp', 'daemon/control'],
  ['daemon/tools'],
  ['daemon/status'],
  ['daemon/dispatch'],
  ['daemon/presence', 'daemon/jobs', 'daemon/worktrees', 'daemon/backlog', 'daemon/sessions'],
  ['daemon/backend'],
  ['daemon/db', 'daemon/ipc'],
  ['daemon/config', 'daemon/lifecycle', 'daemon/wire', 'daemon/lock', 'daemon/state'],
  [
    'daemon/errors.ts',
    'daemon/installed-file.ts',
    'daemon/make-directories.ts',
    'daemon/paths.ts',
    'daemon/logger.ts',
    'daemon/redact.ts',
    'daemon/version.ts',
    'daemon/log-file.ts',
    'daemon/log-sinks.ts',
    'daemon/log-text.ts',
  ],
]
const BOTTOM = LAYERS.length - 1
const ROOT = join(import.meta.dirname, '..')

interface Import {
  readonly from: string
  readonly to: string
}

async function sources(folder: string): Promise<string[]> {
  const entries = await readdir(join(ROOT, folder), { recursive: true, withFileTypes: true })
  return entries
    .filter(
      (entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.parentPath.includes('generated'),
    )
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
}

async function importsOf(file: string): Promise<{ local: Import[]; packages: string[] }> {
  const text = await readFile(join(ROOT, file), 'utf8')
  const found = [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] ?? '')
  const local = found
    .filter((path) => path.startsWith('.'))
    .map((path) => ({ from: file, to: normalize(join(dirname(file), path)) }))
  return { local, packages: found.filter((path) => !path.startsWith('.')) }
}

function layerOf(file: string): { layer: number; part: string } | undefined {
  for (const [layer, parts] of LAYERS.entries()) {
    const part = parts.find((name) => file === name || file.startsWith(`${name}/`))
    if (part !== undefined) return { layer, part }
  }
  return undefined
}

describe('architecture', () => {
  it('every file of the daemon has a place', async () => {
    const lost = (await sources('daemon')).filter((file) => layerOf(file) === undefined)
    expect(lost).toEqual([])
  })

  it('imports point downwards, inside a layer only to the same folder', async () => {
    const wrong: string[] = []
    for (const file of await sources('daemon')) {
      for (const { from, to } of (await importsOf(file)).local) {
        // The CLI hands `mcp` over to the bundled shim; nothing of it is compiled in.
        if (to.startsWith('shim/')) continue
        const above = layerOf(from)
        const below = layerOf(to)
        if (above === undefined || below === undefined) wrong.push(`${from} → ${to}`)
        else if (above.part === below.part) continue
        else if (above.layer === below.layer && above.layer !== BOTTOM && above.layer !== 2)
          wrong.push(`${from} → ${to}`)
        else if (below.layer < above.layer) wrong.push(`${from} → ${to}`)
      }
    }
    expect(wrong).toEqual([])
  })

  it('the shim sees the wire and the bottom line only, and none of the heavy packages', async () => {
    const wrong: string[] = []
    const seen = new Set<string>()
    const queue = await sources('shim')
    for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
      if (seen.has(file)) continue
      seen.add(file)
      const { local, packages } = await importsOf(file)
      for (const name of packages) {
        if (/^(@prisma|pg|zod|pino|@modelcontextprotocol)/.test(name)) wrong.push(`${file} → ${name}`)
      }
      for (const { to } of local) {
        const place = layerOf(to)
        const allowed = to.startsWith('shim/') || to.startsWith('daemon/wire/') || place?.layer === BOTTOM
        if (!allowed) wrong.push(`${file} → ${to}`)
        else queue.push(to)
      }
    }
    expect(wrong).toEqual([])
  })

  it('no file is a grab bag', async () => {
    const names = [...(await sources('daemon')), ...(await sources('shim'))]
    expect(names.filter((name) => /(^|\/)(utils?|helpers?|common|types|index)\.ts$/.test(name))).toEqual([])
  })
})
