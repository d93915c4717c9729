import { expect, it } from 'vitest'
import { Limit } from '../../daemon/lifecycle/limit.ts'

it('lets no more than its number run at once, in order, and goes on after a failure', async () => {
  const limit = new Limit(2)
  let running = 0
  let most = 0
  const order: number[] = []
  const steps = Array.from({ length: 10 }, (_, n) =>
    limit.run(async () => {
      order.push(n)
      running += 1
      most = Math.max(most, running)
      await Promise.resolve()
      running -= 1
      if (n === 3) throw new Error('three')
    }),
  )
  const results = await Promise.allSettled(steps)
  expect(most).toBe(2)
  expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  expect(results.filter((result) => result.status === 'rejected')).toHaveLength(1)
})
