import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Cleanup } from './cleanup.ts'
import { Course, type CourseSeries, REST_MS } from './course.ts'
import type { World } from './world.ts'

const exec = promisify(execFile)

/**
 * Rounds of one job for each repository, each with its spare ready, and as many bare `git worktree add` beside them.
 * `repositories`: as for `Course.make`.
 */
export async function withSpares(
  world: World,
  cleanup: Cleanup,
  repositories: number | readonly string[],
  rounds: number,
): Promise<CourseSeries> {
  const course = await Course.make(world, cleanup, {}, repositories)
  const s: CourseSeries = { claimed: [], answered: [], add: [], fetch: [] }
  for (let round = 0; round < rounds; round += 1) {
    await course.machine.spares(course.clones)
    for (const _ of course.clones) {
      s.add.push(await course.bareAdd())
      s.fetch.push(await course.bareFetch())
    }
    // What the bare ones wrote would be written while ours wait for their own records to be on the disk.
    await exec('sync')
    await sleep(REST_MS)
    for (const _ of course.clones) {
      const { claimed, answered } = await course.job()
      s.claimed.push(claimed)
      s.answered.push(answered)
    }
  }
  await course.close()
  return s
}
