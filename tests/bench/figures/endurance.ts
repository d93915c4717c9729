import { execFile } from 'node:child_process'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { git } from '../../support/git.ts'
import { until } from '../../support/until.ts'
import { type Bench, times } from '../bench.ts'
import { count, type Figure, type Findings, mb, plain, ratio } from '../figure.ts'
import { type Summary, summarise } from '../samples.ts'
import type { Cleanup } from '../world/cleanup.ts'
import { repositoryOf } from '../world/filled-repository.ts'
import { Machine } from '../world/machine.ts'
import type { World } from '../world/world.ts'

/** One at work, a spare, one that is being made, and two on their way out. */
const CHECKOUTS = 5
/** Jobs between two looks at the disk. */
const LOOK_EVERY = 10
/** For what goes on in the background after the last job: refilling, deleting. */
const SETTLE_MS = 60_000

/** Jobs without end: whether the disk comes to rest, with as much saved work as was left behind and nothing else. */
export const endurance: Bench = {
  name: 'endurance',
  run: (world, sizes, cleanup) =>
    oneAfterTheOther(world, cleanup, 'small repository', undefined, times(sizes, 1_000, 30)),
}

export const largeEndurance: Bench = {
  name: 'large-endurance',
  async run(world, sizes, cleanup) {
    const clone = await repositoryOf(20_000, join(world.dir, 'endurance'), 'large')
    return oneAfterTheOther(world, cleanup, '20,000 files', clone, times(sizes, 1_000, 10))
  },
}

/** Of three jobs one ends clean, one leaves a commit on no remote, one leaves files that nobody committed. */
async function oneAfterTheOther(
  world: World,
  cleanup: Cleanup,
  name: string,
  repository: string | undefined,
  jobs: number,
): Promise<Findings> {
  const machine = cleanup.own(await Machine.make(await world.tenant()), (made) => made.remove())
  const { productId, clone } = await machine.product(repository)
  await machine.start()
  const agent = await machine.installation.agent()
  const { worktreeDir, home } = machine.installation
  const checkout = (await diskMb(clone)) - (await diskMb(join(clone, '.git')))
  const before = { git: await diskMb(join(clone, '.git')), home: await diskMb(home) }
  const sizes: number[] = []
  let leftBehind = 0
  let saved = 0
  for (let n = 0; n < jobs; n += 1) {
    await machine.tenant.enqueue(productId)
    const job = await machine.wait(agent)
    const path = String(job.worktree_path)
    if (n % 3 > 0) {
      await writeFile(join(path, `work-${n}.txt`), `Work of job ${n}\n`.repeat(50))
      leftBehind += 1
    }
    if (n % 3 === 1) {
      await git(path, 'add', '.')
      await git(path, 'commit', '-q', '-m', `Work of job ${n}`)
    }
    const report = await agent.call('update_job_status', { job_id: job.job_id, status: 'failed' })
    if (typeof report.salvage_ref === 'string') saved += 1
    if (n % LOOK_EVERY === 0) sizes.push(await diskMb(worktreeDir))
  }
  const left = await settled(worktreeDir)
  const refs = (await git(clone, 'for-each-ref', '--format=%(refname)', 'refs/scrum4me/salvage/')).split('\n')
  const branches = (await git(clone, 'for-each-ref', '--format=%(refname)', 'refs/heads/feat/')).split('\n')
  const after = { git: await diskMb(join(clone, '.git')), home: await diskMb(home) }
  await agent.close()
  await machine.installation.end()
  const kb = (value: number) => count('KB', Math.round(value * 1024))
  const figures: Figure[] = [
    ratio(
      `${jobs} jobs in a row, ${name}: largest disk use`,
      mb('ours', Math.max(...sizes)),
      mb('one checkout', checkout),
      CHECKOUTS,
    ),
    plain('  worktrees left (the spare)', count('ours', left), 1),
    plain('  branches left', count('ours', branches.filter(Boolean).length), 0),
    plain('  work left behind and not saved', count('ours', leftBehind - saved), 0),
    plain('  saved twice', count('ours', refs.filter(Boolean).length - saved), 0),
    plain('  growth of the clone for each saved job', kb((after.git - before.git) / saved)),
    plain('  growth of the home for each job', kb((after.home - before.home) / jobs)),
  ]
  const series: Record<string, Summary> = { [`disk use of the worktrees, ${name}, MB`]: summarise(sizes) }
  return { figures, series }
}

async function diskMb(path: string): Promise<number> {
  // Files vanish while it looks; what it counted by then is printed all the same.
  const { stdout } = await promisify(execFile)('du', ['-sk', path]).catch(
    (error: { stdout: string }) => error,
  )
  return Number.parseInt(stdout, 10) / 1024
}

/** Directories left when nothing is deleted any more. */
async function settled(worktreeDir: string): Promise<number> {
  const names = async () => (await readdir(worktreeDir)).filter((name) => !name.startsWith('.scrum4me'))
  await until('nothing is deleted any more', async () => (await names()).length <= 1, SETTLE_MS).catch(
    () => undefined,
  )
  return (await names()).length
}
