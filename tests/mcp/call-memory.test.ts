import { appendFile, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { CallMemory } from '../../daemon/mcp/call-memory.ts'

describe('CallMemory', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 's4m-calls-'))
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))

  const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })
  const open = async () => {
    const memory = new CallMemory(directory, (tool) => text(`unknown ${tool}`))
    await memory.load()
    return memory
  }

  it('runs a call once: a repetition gets the same run, and the stored result from the next daemon', async () => {
    const memory = await open()
    let runs = 0
    const call = async () => {
      runs += 1
      return text(`run ${runs}`)
    }
    const [first, again] = await Promise.all([
      memory.run('shim', 'a', 1, 'create_todo', call),
      memory.run('shim', 'b', 1, 'create_todo', call),
    ])
    expect([first, again]).toEqual([text('run 1'), text('run 1')])
    expect(await (await open()).run('shim', 'a', 1, 'create_todo', call)).toEqual(text('run 1'))
    expect(runs).toBe(1)
  })

  it('the key is connection and request, and 1 is not "1"', async () => {
    const memory = await open()
    let runs = 0
    const call = async () => text(`run ${++runs}`)
    await memory.run('shim', 'a', 1, 't', call)
    await memory.run('shim', 'b', '1', 't', call)
    await memory.run('other', 'c', 1, 't', call)
    expect(runs).toBe(3)
  })

  it('many calls unanswered at once run once each', async () => {
    const memory = await open()
    let runs = 0
    const all = (socket: string) =>
      Promise.all(Array.from({ length: 50 }, (_, n) => memory.run('shim', socket, n, 't', call)))
    const call = async () => text(`run ${++runs}`)
    expect(await all('b')).toEqual(await all('a'))
    expect(runs).toBe(50)
  })

  it('an id used again on one and the same socket is another call', async () => {
    const memory = await open()
    let runs = 0
    const call = async () => text(`run ${++runs}`)
    await memory.run('shim', 'a', 1, 't', call)
    expect(await memory.run('shim', 'a', 1, 't', call)).toEqual(text('run 2'))
    expect(await memory.run('shim', 'b', 1, 't', call)).toEqual(text('run 2'))
  })

  it('a call that was cut off is unknown to the next daemon and does not run again', async () => {
    const memory = await open()
    // Of an earlier call with the same id, whose result says nothing of this one.
    await memory.run('shim', 'a', 5, 'create_todo', async () => text('another'))
    void memory.run('shim', 'a', 5, 'create_pbi', () => new Promise(() => undefined))
    // The file is there a moment before its note.
    const note = async () => {
      const [file] = await readdir(directory)
      return file === undefined ? '' : readFile(join(directory, file), 'utf8')
    }
    await expect.poll(note).toContain('create_pbi')
    const next = await open()
    expect(await next.run('shim', 'a', 5, 'create_pbi', async () => text('again'))).toEqual(
      text('unknown create_pbi'),
    )
  })

  it('a note torn by a crash is a call that never began', async () => {
    const memory = await open()
    await memory.run('shim', 'a', 1, 't', async () => text('done'))
    const [file = ''] = await readdir(directory)
    await appendFile(join(directory, file), '{"id":"2","to')
    const next = await open()
    void next.run('shim', 'a', 2, 't', () => new Promise(() => undefined))
    await expect.poll(() => readFile(join(directory, file), 'utf8')).toMatch(/"id":"2","tool":"t"\}\s*$/)
    // What is noted behind it is read all the same.
    expect(await (await open()).run('shim', 'b', 2, 't', async () => text('again'))).toEqual(
      text('unknown t'),
    )
  })

  it('a connection id that is a path stays below the directory', async () => {
    const memory = await open()
    await memory.run('../../outside', 'a', 1, 't', async () => text('x'))
    expect(await readdir(directory)).toHaveLength(1)
  })

  it('a call whose note cannot be written never begins, and may be asked again', async () => {
    const memory = await open()
    await rm(directory, { recursive: true })
    let runs = 0
    const call = async () => text(`run ${++runs}`)
    await expect(memory.run('shim', 'a', 1, 't', call)).rejects.toThrow()
    expect(runs).toBe(0)
    await mkdir(directory)
    expect(await memory.run('shim', 'b', 1, 't', call)).toEqual(text('run 1'))
  })

  it('remembers while any socket of the shim is open, and for ten minutes after the last', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const minutes = (count: number) => vi.advanceTimersByTime(count * 60_000)
    const memory = await open()
    let runs = 0
    const ask = (socket: string) => memory.run('shim', socket, 1, 't', async () => text(`run ${++runs}`))
    memory.opened('shim')
    await ask('a')
    memory.opened('shim')
    memory.closed('shim')
    minutes(11)
    memory.closed('shim')
    minutes(9)
    memory.opened('shim')
    minutes(9)
    expect(await ask('b')).toEqual(text('run 1'))
    memory.closed('shim')
    minutes(9)
    expect(await ask('c')).toEqual(text('run 1'))
    minutes(2)
    await vi.waitFor(async () => expect(await readdir(directory)).toEqual([]))
    expect(await ask('d')).toEqual(text('run 2'))
  })
})
