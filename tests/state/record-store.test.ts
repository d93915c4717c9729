import { mkdir, mkdtemp, open as openFile, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { readInstanceId } from '../../daemon/state/instance-id.ts'
import { RecordStore } from '../../daemon/state/record-store.ts'

describe('RecordStore', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 's4m-store-'))
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))

  const open = () =>
    new RecordStore<number>(directory, (value) => (typeof value === 'number' ? value : undefined))

  it('keeps what was put last, in the order of asking', async () => {
    const store = open()
    await Promise.all(Array.from({ length: 50 }, (_, n) => store.put('a', n)))
    await store.put('b', 7)
    await store.delete('b')
    expect((await open().load()).records).toEqual(new Map([['a', 49]]))
    expect(await readdir(directory)).toEqual(['a.json'])
  })

  it('a write or removal waits for the one before it, also for one that fails, and writes what was meant', async () => {
    const store = open()
    await Promise.all([store.put('a', 1), store.delete('a')])
    expect(await readdir(directory)).toEqual([])
    await mkdir(join(directory, 'a.json.tmp-2'))
    const [failed, written] = await Promise.allSettled([store.put('a', 2), store.put('a', 3)])
    expect([failed.status, written.status]).toEqual(['rejected', 'fulfilled'])
    expect(await readFile(join(directory, 'a.json'), 'utf8')).toBe('3\n')

    const records = new RecordStore<{ n: number }>(directory, () => undefined)
    const record = { n: 4 }
    const writing = records.put('a', record)
    record.n = 5
    await writing
    expect(await readFile(join(directory, 'a.json'), 'utf8')).toBe('{"n":4}\n')
  })

  it('a durable record is on the disk before it takes the place of the old one', async () => {
    const store = new RecordStore<number>(directory, () => undefined, { durable: true })
    await store.put('a', 1)
    const file = join(directory, 'a.json')
    const handle = await openFile(file)
    const handles: { datasync(): Promise<void> } = Object.getPrototypeOf(handle)
    await handle.close()
    const flush = handles.datasync
    const there: string[] = []
    const spy = vi.spyOn(handles, 'datasync').mockImplementation(async function (this: unknown) {
      await flush.call(this)
      there.push(await readFile(file, 'utf8'))
    })
    onTestFinished(() => spy.mockRestore())
    await store.put('a', 2)
    expect(there).toEqual(['1\n'])
    expect(await readFile(file, 'utf8')).toBe('2\n')
  })

  it('settles by flushing the directory, and says when that cannot be asked', async () => {
    const store = new RecordStore<number>(directory, () => undefined, { durable: true })
    const handle = await openFile(directory)
    const handles: { sync(): Promise<void>; stat(): Promise<{ isDirectory(): boolean }> } =
      Object.getPrototypeOf(handle)
    await handle.close()
    const flushed: boolean[] = []
    const spy = vi.spyOn(handles, 'sync').mockImplementation(async function (this: typeof handles) {
      flushed.push((await this.stat()).isDirectory())
    })
    onTestFinished(() => spy.mockRestore())
    await store.put('a', 1)
    await store.settle()
    expect(flushed).toEqual([true])
    spy.mockRejectedValue(new Error('EINVAL'))
    await expect(store.settle()).rejects.toThrow('EINVAL')
  })

  it('names unreadable files and leaves them in place; clears what a crash left half written', async () => {
    await writeFile(join(directory, 'bad.json'), '{"half":')
    await writeFile(join(directory, 'a.json.tmp-3'), '1')
    await mkdir(join(directory, 'directory.json'))
    const { records, unreadable } = await open().load()
    expect(records.size).toBe(0)
    expect(unreadable.sort()).toEqual(['bad.json', 'directory.json'])
    expect((await readdir(directory)).sort()).toEqual(['bad.json', 'directory.json'])
  })

  it('a record that cannot be read now is not passed over', async () => {
    await symlink('a.json', join(directory, 'a.json'))
    await expect(open().load()).rejects.toThrow('ELOOP')
  })

  it('refuses an id that would be a path', async () => {
    await expect(open().put('../x', 1)).rejects.toThrow(/not a record id/)
  })

  it('a failed write leaves the old record and the next write works', async () => {
    const store = open()
    await store.put('a', 1)
    await rm(directory, { recursive: true })
    await expect(store.put('a', 2)).rejects.toThrow()
    await open().load()
    await store.put('a', 3)
    expect(await readFile(join(directory, 'a.json'), 'utf8')).toBe('3\n')
  })

  it('an instance id is stable for one home and new for a copied one', async () => {
    const state = join(directory, 'state')
    const first = await readInstanceId(directory, state)
    expect(await readInstanceId(directory, state)).toBe(first)
    // The same state directory seen from another home: a copy.
    const other = await mkdtemp(join(tmpdir(), 's4m-copy-'))
    try {
      expect(await readInstanceId(other, state)).not.toBe(first)
    } finally {
      await rm(other, { recursive: true })
    }
  })
  it.each([
    ['instance.json', ''],
    ['instance.json', '\0'.repeat(120)],
    ['instance-copy.json', '{"instance_id":"'],
  ])('an instance id outlives %s being %j, and both are whole again', async (name, text) => {
    const state = join(directory, 'state')
    const first = await readInstanceId(directory, state)
    const files = () =>
      Promise.all(['instance.json', 'instance-copy.json'].map((file) => readFile(join(state, file), 'utf8')))
    const before = await files()
    await writeFile(join(state, name), text)
    expect(await readInstanceId(directory, state)).toBe(first)
    expect(await files()).toEqual(before)
  })
})
