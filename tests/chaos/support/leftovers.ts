import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { git } from '../../support/git.ts'
import type { Laboratory } from './laboratory.ts'

/** Worktrees, branches and commits that nobody answers for, once every job has ended and was reconciled. */
export async function leftovers(lab: Laboratory): Promise<string[]> {
  const found: string[] = []
  const jobs = await lab.jobs()
  for (const machine of lab.machines) {
    const names = await readdir(machine.worktreeDir).catch(() => [])
    for (const name of names.filter((one) => !one.startsWith('.')))
      found.push(`${machine.name}: the worktree ${name} is left`)
  }
  for (const clone of new Set(lab.machines.map((machine) => machine.clone))) {
    const users = lab.machines.filter((machine) => machine.clone === clone)
    const instances = new Set(await Promise.all(users.map((machine) => machine.instanceId())))
    const wanted = new Set(
      jobs
        .filter((job) => job.status === 'DONE' && instances.has(job.instance))
        .flatMap((job) => (job.branch === null ? [] : [job.branch])),
    )
    const branches = await list(clone, 'for-each-ref', '--format=%(refname:short)', 'refs/heads/feat')
    for (const branch of branches) {
      if (!wanted.has(branch)) found.push(`${clone}: the branch ${branch} is left`)
      wanted.delete(branch)
    }
    for (const branch of wanted) found.push(`${clone}: the branch ${branch} of a finished job is gone`)
    const listed = await list(clone, 'worktree', 'list', '--porcelain')
    const worktrees = listed.slice(1).filter((one) => one.startsWith('worktree ') && !one.endsWith(clone))
    for (const { name, worktreeDir } of users) {
      // Each machine keeps one ready; a second one would be forgotten.
      const spares = worktrees.filter((line) => line.startsWith(`worktree ${worktreeDir}/.spare/`))
      if (spares.length > 1) found.push(`${clone}: ${name} has ${spares.length} spares`)
    }
    for (const line of worktrees.filter((one) => !one.includes('/.spare/')))
      found.push(`${clone}: git still lists a ${line}`)
    const reachable = new Set(await list(clone, 'rev-list', '--all'))
    const names = new Set(users.map((machine) => machine.name))
    for (const commit of lab.history.of('commit')) {
      if (names.has(commit.machine) && !reachable.has(commit.sha))
        found.push(`${clone}: commit ${commit.sha} of ${commit.session} for ${commit.job} is lost`)
    }
  }
  return found
}

async function list(clone: string, ...args: string[]): Promise<string[]> {
  return (await git(clone, ...args)).split('\n').filter((line) => line !== '')
}

/** Command lines of running processes that name one of these directories. */
export function processesOf(...directories: string[]): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const columns = ['-o', 'pid=', '-o', 'stat=', '-o', 'args=']
    execFile('ps', ['-axww', ...columns], { maxBuffer: 16 * 1024 * 1024 }, (error, stdout) => {
      if (error) return reject(error)
      const lines = stdout.split('\n').filter((line) => directories.some((one) => line.includes(one)))
      // Ours, and what has ended and was not yet reaped.
      resolve(lines.filter((line) => !/^\s*\d+\s+Z/.test(line) && !line.includes('ps -axww')))
    })
  })
}
