import { expect, it } from 'vitest'
import { LimitPerKey } from '../../daemon/lifecycle/limit-per-key.ts'

it('lets no more than its number run for one key, and no key wait for another', async () => {
  const limit = new LimitPerKey(2)
  let open = (): void => undefined
  const shut = new Promise<void>((resolve) => {
    open = resolve
  })
  const begun: string[] = []
  const step = (key: string) =>
    limit.run(key, async () => {
      begun.push(key)
      await shut
    })
  const slow = [step('a'), step('a'), step('a')]
  const other = step('b')
  await Promise.resolve()
  expect(begun).toEqual(['a', 'a', 'b'])
  open()
  await Promise.all([...slow, other])
  expect(begun).toEqual(['a', 'a', 'b', 'a'])
  await expect(limit.run('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await limit.run('a', async () => 'goes on')).toBe('goes on')
})
