import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'
import { promisify } from 'node:util'
import { VERSION } from '../../daemon/version.ts'

/** Where and with what a run was made: without it no number means anything elsewhere. */
export interface Circumstances {
  readonly at: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGib: number
  readonly os: string
  /** Load average of the last minute before the run: what else the machine did. */
  readonly loadBefore: number
  readonly node: string
  readonly daemon: string
  readonly git: string
  readonly postgres: string
  readonly graphileWorker: string
  readonly pgBoss: string
  readonly prisma: string
  readonly mcpSdk: string
}

export async function circumstances(postgres: string): Promise<Circumstances> {
  const { stdout } = await promisify(execFile)('git', ['--version'])
  return {
    at: new Date().toISOString(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGib: Math.round(totalmem() / 2 ** 30),
    os: `${process.platform} ${release()} ${process.arch}`,
    loadBefore: Math.round((loadavg()[0] ?? 0) * 100) / 100,
    node: process.version,
    daemon: VERSION,
    git: stdout.trim().replace('git version ', ''),
    postgres,
    graphileWorker: versionOf('graphile-worker'),
    pgBoss: versionOf('pg-boss'),
    prisma: versionOf('@prisma/client'),
    mcpSdk: versionOf('@modelcontextprotocol/sdk'),
  }
}

function versionOf(name: string): string {
  const require = createRequire(import.meta.url)
  // Not every package lets its package.json be imported by name.
  for (const directory of require.resolve.paths(name) ?? []) {
    try {
      const manifest: unknown = require(`${directory}/${name}/package.json`)
      if (typeof manifest === 'object' && manifest !== null && 'version' in manifest)
        return String(manifest.version)
    } catch {}
  }
  return 'unknown'
}
