import type { Engine } from '../engine.ts'
import { runChild } from '../git/run-child.ts'
import { systemTools } from '../system-tools.ts'
import type { BytePath } from './bytes.ts'
import type { Manifest } from './manifest.ts'
import { bundleSource, type NestedWork } from './nested.ts'
import type { ObjectWriter } from './object-writer.ts'
import type { WorktreeGit } from './worktree-git.ts'

const DEADLINE_MS = 1_800_000

export interface Packed {
  readonly kind: Manifest['bundles'][number]['kind']
  readonly path: BytePath
  readonly name: string
  readonly id: string
}

/** Packs nested repositories as they are, each into a blob. */
export async function packBundles(
  engine: Engine,
  git: WorktreeGit,
  writer: ObjectWriter,
  nested: NestedWork,
): Promise<Packed[]> {
  const packed: Packed[] = []
  for (const [at, bundle] of nested.bundles.entries()) {
    const { from, name } = bundleSource(git, bundle)
    const file = writer.temporary()
    const result = await runChild({
      command: 'tar',
      args: ['-C', from, '-cf', file, `./${name}`],
      cwd: '/',
      env: systemTools(engine.childEnv),
      signal: engine.stopping,
      deadlineMs: DEADLINE_MS,
    })
    if (result.code !== 0) throw new Error(`tar could not pack ${name}: ${result.stderr.trim().slice(-300)}`)
    const [id = ''] = await writer.files([Buffer.from(file).toString('latin1')])
    packed.push({ kind: bundle.kind, path: bundle.path, name: `bundles/${at}.tar`, id })
  }
  return packed
}
