import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseSupersededReport, SupersededReports } from '../../daemon/jobs/superseded-reports.ts'
import { RecordStore } from '../../daemon/state/record-store.ts'

let directory: string
let now: number

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 's4m-superseded-'))
  now = Date.parse('2026-01-01T00:00:00Z')
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const open = async () => {
  const reports = new SupersededReports(new RecordStore(directory, parseSupersededReport), () => now)
  expect(await reports.load()).toEqual([])
  return reports
}
const report = (jobId: string) => ({
  ...{ jobId, taskLabel: 'T-1 Task', lost: 'taken' as const, status: 'DONE' as const },
  ...{ summary: 'x'.repeat(4000), branch: null, headSha: null, pushed: false, repoRoot: '/srv/clone' },
})
const ids = (reports: SupersededReports) => reports.recent.map(({ jobId }) => jobId)

test('the last twenty are remembered, each for a day, also by the next daemon', async () => {
  const reports = await open()
  for (let n = 0; n < 25; n += 1) {
    now += 60_000
    await reports.add(report(`job${n}`))
  }
  const last = Array.from({ length: 20 }, (_, n) => `job${n + 5}`)
  expect(ids(reports)).toEqual(last)
  expect(reports.recent[0]?.summary).toHaveLength(200)
  const next = await open()
  expect(ids(next)).toEqual(last)
  expect(await readdir(directory)).toHaveLength(20)
  now += 24 * 3600_000 - 60_000
  expect(ids(next)).toEqual(['job24'])
  await next.add(report('job24'))
  expect(ids(next)).toEqual(['job24'])
  expect(await readdir(directory)).toEqual(['job24.json'])
})
