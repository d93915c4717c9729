import { cp, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { MAIN, SHIM } from '../support/installation.ts'
import { Laboratory } from './support/laboratory.ts'
import type { Build } from './support/machine.ts'
import { supersede } from './support/supersede.ts'
import { verdict } from './support/verdict.ts'

const ENV = { SCRUM4ME_LEASE_SECONDS: '2', SCRUM4ME_HEARTBEAT_SECONDS: '1' }
const FENCE =
  /`j\.id = \$1 and j\.claimed_by_token_id = \$2 and j\.worker_instance_id = \$3\s+and j\.claimed_at = \$4::timestamp\(3\) and j\.status in \('CLAIMED', 'RUNNING'\)`/

let lab: Laboratory | undefined
let unfenced: string | undefined
afterEach(async () => {
  await lab?.close()
  if (unfenced !== undefined) await rm(unfenced, { recursive: true, force: true })
})

/** The one file of the bundle in which `pattern` stands. */
async function bundleWith(directory: string, pattern: RegExp): Promise<{ file: string; source: string }> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.js'))
  const files = await Promise.all(
    names.map(async (name) => {
      const file = join(directory, name)
      return { file, source: await readFile(file, 'utf8') }
    }),
  )
  const found = files.filter(({ source }) => pattern.test(source))
  expect(found).toHaveLength(1)
  return found[0]!
}

/** The built daemon with the condition taken out by which a job's writes are conditional on the claim. */
async function buildWithoutFence(): Promise<Build> {
  unfenced = await realpath(await mkdtemp(join(tmpdir(), 's4m-unfenced-')))
  const dist = dirname(dirname(MAIN))
  const root = dirname(dist)
  await cp(dist, join(unfenced, 'dist'), { recursive: true })
  await cp(join(root, 'package.json'), join(unfenced, 'package.json'))
  await symlink(join(root, 'node_modules'), join(unfenced, 'node_modules'))
  await symlink(join(root, 'prisma'), join(unfenced, 'prisma'))
  const { file, source } = await bundleWith(join(unfenced, 'dist/daemon'), FENCE)
  // The other parameters stay in the statement: PostgreSQL wants to know their types.
  const open = '`j.id = $1 and ($2::text, $3::text, $4::timestamp(3)) is not null`'
  await writeFile(
    file,
    source.replace(FENCE, () => open),
  )
  return { main: join(unfenced, MAIN.slice(root.length)), shim: join(unfenced, SHIM.slice(root.length)) }
}

async function run(build?: Build): Promise<Laboratory> {
  const made = await Laboratory.make(build)
  lab = made
  const old = await made.machine('old', (await made.clone('old')).clone, ENV)
  const heir = await made.machine('heir', (await made.clone('heir')).clone, ENV)
  for (const machine of [old, heir]) await machine.start()
  for (const machine of [old, heir]) await machine.ready()
  await supersede(made, old, heir, 'stopped', 3)
  await supersede(made, old, heir, 'cut off', 2)
  return made
}

it('the checker sees that a build without fencing lets a superseded owner overwrite the new one', async () => {
  const made = await run(await buildWithoutFence())
  const rules = (await verdict(made, { quiet: true })).map((one) => one.rule)
  expect(rules).toContain('no superseded report counts')
  // Found in what happened to jobs, not only in what was said about them.
  expect(rules.length).toBeGreaterThan(1)
}, 120_000)

it('and finds nothing to say of the same run with fencing', async () => {
  expect(await verdict(await run())).toEqual([])
}, 120_000)
