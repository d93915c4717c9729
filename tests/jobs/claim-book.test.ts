import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
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

test('a claim that was replaced is neither changed nor forgotten through the one before it', async () => {
  const { book, open, inTheWay } = await given()
  const [old, two] = [claim('one'), claim('two')]
  await book.add(old)
  const newer = { ...old, identity: { ...old.identity, claimedAt: '2026-01-02 00:00:00' } }
  await book.add(newer)
  expect(await book.change(old, { state: 'held' })).toBeUndefined()
  expect(await book.changeAnyway(old, { state: 'held' })).toEqual({ claim: undefined, fault: undefined })
  await book.forget(old)
  expect(book.get('one')).toBe(newer)
  expect((await open()).get('one')).toEqual(newer)

  await inTheWay('two')
  await expect(book.add(two)).rejects.toThrow()
  const { claim: changed, fault } = await book.changeAnyway(two, { state: 'held' })
  expect(changed).toMatchObject({ state: 'held' })
  expect(fault).toBeInstanceOf(Error)
})

test('of another instance’s claims a report alone is remembered; what is claimed anew is no earlier daemon’s', async () => {
  const { directory, book, open } = await given()
  const theirs = (jobId: string) => ({
    ...claim(jobId),
    identity: { ...claim(jobId).identity, instanceId: 'x' },
  })
  await book.add({ ...theirs('held'), state: 'held' })
  await book.add({ ...theirs('reporting'), state: 'reporting' })
  await book.add(claim('ours'))
  const next = await open()
  expect(next.all().map(({ identity }) => identity.jobId)).toEqual(['ours', 'reporting'])
  expect((await readdir(directory)).sort()).toEqual(['ours.json', 'reporting.json'])
  expect(next.isInherited(claim('ours'))).toBe(true)
  await next.add(claim('ours'))
  expect(next.isInherited(claim('ours'))).toBe(false)
})

test('steps on a job follow each other, also one that failed, and it is busy until the last is over', async () => {
  const { book } = await given()
  const begun: string[] = []
  let fail = (_error: Error): void => undefined
  let end = (): void => undefined
  const first = book.exclusive('one', () => {
    begun.push('first')
    return new Promise<void>((_, reject) => {
      fail = reject
    })
  })
  const second = book.exclusive('one', () => {
    begun.push('second')
    return new Promise<void>((resolve) => {
      end = resolve
    })
  })
  await book.exclusive('two', async () => undefined)
  expect(begun).toEqual(['first'])
  fail(new Error('no'))
  await expect(first).rejects.toThrow('no')
  await expect.poll(() => begun).toEqual(['first', 'second'])
  expect(book.isBusy('one')).toBe(true)
  end()
  await second
  expect(book.isBusy('one')).toBe(false)
})

test('how long a claim is in its state is not changed by what else is noted of it', async () => {
  vi.useFakeTimers({ toFake: ['performance', 'Date'] })
  onTestFinished(() => void vi.useRealTimers())
  const { book } = await given()
  const added = { ...claim('one'), since: new Date().toISOString() }
  await book.add(added)
  vi.advanceTimersByTime(5_000)
  const running = await book.change(added, { running: true })
  expect(running?.since).toBe(added.since)
  expect(book.ageMs(added)).toBe(5_000)
  const held = await book.change(added, { state: 'held' })
  expect(held?.since).toBe(new Date().toISOString())
  expect(book.ageMs(added)).toBe(0)
})
