import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ClaimBook } from '../../daemon/jobs/claim-book.ts'
import { type ClaimRecord, parseClaimRecord } from '../../daemon/jobs/claim-record.ts'
import { RecordStore } from '../../daemon/state/record-store.ts'

const INSTANCE = 'instance'

function claim(jobId: string): ClaimRecord {
  return {
    identity: { jobId, tokenId: 'token', instanceId: INSTANCE, claimedAt: '2026-01-01 00:00:00' },
    state: 'preparing',
    since: new Date().toISOString(),
    userId: 'user',
    productId: 'product',
    taskLabel: 'T-1',
    repoRoot: '/clone',
    owner: null,
    earlier: [],
    delivered: false,
    worked: false,
    running: false,
    worktree: null,
    answer: {},
    releasedAt: null,
    report: null,
    result: null,
    lost: null,
  }
}

/** The book, what the next daemon would read, and a fault that lasts until it is mended. */
async function given() {
  const directory = await mkdtemp(join(tmpdir(), 's4m-book-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const open = async () => {
    const book = new ClaimBook(new RecordStore(directory, parseClaimRecord))
    await book.load(INSTANCE)
    return book
  }
  /** No file takes the place of a directory with something in it. */
  const inTheWay = (jobId: string) => mkdir(join(directory, `${jobId}.json`, 'x'), { recursive: true })
  const mend = (jobId: string) => rm(join(directory, `${jobId}.json`), { recursive: true })
  return { directory, book: await open(), open, inTheWay, mend }
}

test('a change that the disk did not take is written once it can be, and complained of until then', async () => {
  const { book, open, inTheWay, mend } = await given()
  const record = claim('one')
  await inTheWay('one')
  await expect(book.add(record)).rejects.toThrow()
  await expect(book.change(record, { state: 'held' })).rejects.toThrow()
  await book.add(claim('two'))
  expect(book.fault).toMatch(/EISDIR|ENOTEMPTY|EEXIST/)
  await book.writeAgain()
  expect(book.fault).not.toBeNull()

  await mend('one')
  await book.writeAgain()
  expect(book.fault).toBeNull()
  expect((await open()).get('one')?.state).toBe('held')
})

test('a claim that was forgotten while the disk would not is forgotten there, too', async () => {
  const { directory, book, inTheWay } = await given()
  const record = claim('one')
  await book.add(record)
  await rm(join(directory, 'one.json'))
  await inTheWay('one')
  await expect(book.forget(record)).rejects.toThrow()
  expect(book.fault).not.toBeNull()
  await rm(join(directory, 'one.json', 'x'), { recursive: true })
  await rm(join(directory, 'one.json'), { recursive: true })
  await book.writeAgain()
  expect(book.fault).toBeNull()
  expect(await readdir(directory)).toEqual([])
})
