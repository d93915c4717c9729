import { expect, test } from 'vitest'
import { silentLogger } from '../../daemon/logger.ts'
import { WorktreeGlance } from '../../daemon/status/worktree-glance.ts'

const tree = (jobId: string) => ({
  jobId,
  path: `/w/${jobId}`,
  branch: null,
  state: 'active' as const,
  dirty: false,
  bytes: 7,
  reason: null,
})

test('what changed shows at once; a disk that does not answer keeps nobody waiting', async () => {
  let look = () => Promise.resolve([tree('a')])
  const places = { list: () => look(), saved: async () => [], freeDiskBytes: async () => 1 }
  const glance = new WorktreeGlance(places, '/w', silentLogger)
  await glance.start()
  const seen = async () => (await glance.read())?.entries.map(({ job_id }) => job_id)
  expect(await seen()).toEqual(['a'])
  look = () => Promise.resolve([])
  glance.refresh()
  expect(await seen()).toEqual([])

  let answer: (trees: ReturnType<typeof tree>[]) => void = () => undefined
  look = () =>
    new Promise((resolve) => {
      answer = resolve
    })
  glance.refresh()
  expect(await seen()).toEqual([])
  // A look that began before the change does not count for it.
  look = () => Promise.resolve([tree('c')])
  glance.refresh()
  const after = seen()
  answer([tree('b')])
  expect(await after).toEqual(['c'])
  await glance.stop()
})
