import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { WorktreePlace } from '../../daemon/status/worktree-place.ts'
import { lookAtPlace, type Place } from '../../daemon/worktrees/place.ts'

test('every read looks anew; of a disk that does not answer the last word counts', async () => {
  let look = (): Promise<Place> => Promise.resolve({ freeBytes: 5, fault: null })
  const place = new WorktreePlace(() => look())
  expect(await place.read()).toEqual({ freeBytes: 5, fault: null })
  look = () => Promise.resolve({ freeBytes: 3, fault: null })
  expect(await place.read()).toEqual({ freeBytes: 3, fault: null })
  let answer: (place: Place) => void = () => undefined
  let asked = 0
  look = () => {
    asked += 1
    return new Promise((resolve) => {
      answer = resolve
    })
  }
  expect(await place.read()).toEqual({ freeBytes: 3, fault: null })
  expect(await place.read()).toEqual({ freeBytes: 3, fault: null })
  expect(asked).toBe(1)
  answer({ freeBytes: 1, fault: null })
  expect(await place.read()).toEqual({ freeBytes: 1, fault: null })
})

test('a directory yet to be made is no fault, a file is', async () => {
  const dir = await mkdtemp(join(tmpdir(), 's4m-'))
  try {
    const usable = { freeBytes: expect.any(Number), fault: null }
    expect(await lookAtPlace(dir)).toEqual(usable)
    expect(await lookAtPlace(join(dir, 'yet', 'to come'))).toEqual(usable)
    await writeFile(join(dir, 'file'), '')
    for (const path of [join(dir, 'file'), join(dir, 'file', 'below')]) {
      expect((await lookAtPlace(path)).fault).toMatchObject({
        ...{ code: 'WORKTREE_FAILED', message: expect.stringContaining(`${path} cannot be used (ENOTDIR)`) },
      })
    }
  } finally {
    await rm(dir, { recursive: true })
  }
})
