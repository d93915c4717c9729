import { expect } from 'vitest'
import { until } from '../../support/until.ts'
import type { HeldJob, Machine } from './machine.ts'

/** A way for jobs to end; afterwards every worktree is gone. */
export interface Ending {
  readonly name: string
  end(machine: Machine, jobs: readonly HeldJob[]): Promise<void>
}

const DAY_AND_MORE_MS = 25 * 3600_000

const reported =
  (status: 'done' | 'failed' | 'skipped', withBranch: boolean): Ending['end'] =>
  async (machine, jobs) => {
    for (const job of jobs) await machine.report(job, status, withBranch ? job.branch : null)
  }

/** Every directory in exactly one list, and all in `removed`. */
function expectAllRemoved(
  result: Record<'removed' | 'kept' | 'skipped', readonly { path: string; reason: string }[]>,
  jobs: readonly HeldJob[],
): void {
  expect(result.kept).toEqual([])
  expect(result.skipped).toEqual([])
  expect(result.removed.map(({ path }) => path).sort()).toEqual(jobs.map(({ path }) => path).sort())
  for (const { reason } of result.removed) expect(reason).not.toBe('')
}

/** By name, as each test shows it. */
export const ENDINGS = {
  done: { name: 'its job done', end: reported('done', true) },
  failed: { name: 'its job failed', end: reported('failed', false) },
  skipped: { name: 'its job skipped', end: reported('skipped', false) },
  released: {
    name: 'its job released, and not claimed here for a day',
    end: async (machine, jobs) => {
      // Their sessions are gone, and there is no grace.
      await machine.dispatch.start()
      await until(
        'all jobs are released',
        async () => machine.book.inState('released').length === jobs.length,
      )
      for (const claim of machine.book.all()) {
        await machine.book.add({ ...claim, since: new Date(Date.now() - DAY_AND_MORE_MS).toISOString() })
      }
      expectAllRemoved(await machine.reconciler.run(), jobs)
    },
  },
  cancelled: {
    name: 'its job cancelled while it was held',
    end: async (machine) => {
      await machine.setJobs({ status: 'CANCELLED', worker_instance_id: null })
      for (const claim of machine.book.all()) {
        await machine.book.change(claim, { state: 'lost', lost: 'cancelled', delivered: false })
      }
      await machine.dispatch.start()
      await until('the book is empty', async () => machine.book.all().length === 0, 120_000)
    },
  },
  reconcile: {
    name: 'reconciled after a restart, another machine having the job',
    end: async (machine, jobs) => {
      await machine.setJobs({ status: 'RUNNING', worker_instance_id: 'another machine' })
      await machine.restart({ forgetful: false })
      expectAllRemoved(await machine.reconciler.run(), jobs)
    },
  },
  cleanup: {
    name: 'cleanup_my_worktrees, our own records being lost',
    end: async (machine, jobs) => {
      await machine.setJobs({ status: 'FAILED', worker_instance_id: null })
      await machine.restart({ forgetful: true })
      expectAllRemoved(await machine.cleanUpTool(), jobs)
    },
  },
} satisfies Record<string, Ending>
