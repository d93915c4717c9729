import { expect, test } from 'vitest'
import { KeyQueue } from '../../daemon/lock/key-queue.ts'

const later = (): { promise: Promise<void>; go: () => void } => {
  let go = (): void => undefined
  const promise = new Promise<void>((resolve) => {
    go = resolve
  })
  return { promise, go }
}

test('one at a time per key, in order; other keys do not wait', async () => {
  const queue = new KeyQueue()
  const gate = later()
  const seen: string[] = []
  const first = queue.run('a', undefined, async () => {
    await gate.promise
    seen.push('a1')
  })
  const second = queue.run('a', undefined, async () => {
    seen.push('a2')
  })
  await queue.run('b', undefined, async () => {
    seen.push('b')
  })
  expect(seen).toEqual(['b'])
  gate.go()
  await Promise.all([first, second])
  expect(seen).toEqual(['b', 'a1', 'a2'])
})

test('an error is its caller’s, and the next one runs', async () => {
  const queue = new KeyQueue()
  const failing = queue.run('a', undefined, () => Promise.reject(new Error('mine')))
  const next = queue.run('a', undefined, async () => 'next')
  await expect(failing).rejects.toThrow('mine')
  expect(await next).toBe('next')
})

test('a waiter that is called off never runs, leaves at once, and does not let the one behind it pass the one before', async () => {
  const queue = new KeyQueue()
  const gate = later()
  const call = new AbortController()
  const seen: string[] = []
  const first = queue.run('a', undefined, async () => {
    await gate.promise
    seen.push('first')
  })
  const second = queue.run('a', call.signal, async () => {
    seen.push('second')
  })
  const third = queue.run('a', undefined, async () => {
    seen.push('third')
  })
  call.abort()
  await expect(second).rejects.toMatchObject({ code: 'WORKTREE_FAILED' })
  expect(seen).toEqual([])
  gate.go()
  await Promise.all([first, third])
  expect(seen).toEqual(['first', 'third'])
})
