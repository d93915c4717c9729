import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end; rejects only when it cannot be started. */
export function ran(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    execFile(command, [...args], { maxBuffer: 64 * 1024 * 1024, ...options }, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== 'number') reject(error)
      else resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
    })
  })
}

async function npm(cwd: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await ran(
    'npm',
    [...args, '--no-audit', '--no-fund', '--loglevel=error'],
    { cwd },
  )
  if (code !== 0) throw new Error(`npm ${args.join(' ')}: exit ${code}\n${stderr}`)
  return stdout
}

/** Packs this checkout's build into `directory`; answers the tarball and the files in it. */
export async function pack(directory: string): Promise<{ tarball: string; files: string[]; bytes: number }> {
  await mkdir(directory, { recursive: true })
  const out = await npm(ROOT, 'pack', '--ignore-scripts', '--json', '--pack-destination', directory)
  const [report] = JSON.parse(out)
  return {
    tarball: join(directory, report.filename),
    files: report.files.map((file: { path: string }) => file.path),
    bytes: report.size,
  }
}

/** The same package as if it were another release: what a next version's tarball would hold. */
export async function repack(tarball: string, version: string, directory: string): Promise<string> {
  await mkdir(directory, { recursive: true })
  await ran('tar', ['-xzf', tarball, '-C', directory])
  const root = join(directory, 'package')
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  await writeFile(join(root, 'package.json'), JSON.stringify({ ...manifest, version }))
  const bundle = join(root, 'dist/daemon')
  for (const name of await readdir(bundle)) {
    const text = await readFile(join(bundle, name), 'utf8')
    const next = text.replace(`var VERSION = "${manifest.version}"`, `var VERSION = "${version}"`)
    if (next !== text) await writeFile(join(bundle, name), next)
  }
  const [report] = JSON.parse(
    await npm(root, 'pack', '--ignore-scripts', '--json', '--pack-destination', directory),
  )
  return join(directory, report.filename)
}

/** Installs a tarball into a project directory without running any script, as `npm ci --ignore-scripts` would. */
export async function installInto(project: string, tarball: string): Promise<void> {
  await mkdir(project, { recursive: true })
  await writeFile(join(project, 'package.json'), '{"private":true}')
  await npm(project, 'install', '--ignore-scripts', '--prefer-offline', '--omit=dev', '--no-save', tarball)
}
