import { expect, test } from 'vitest'
import { isSameRepository, mayBeSameRepository } from '../../daemon/control/same-repository.ts'

const SHOP = 'https://github.com/acme/shop'

test.each([
  ['git@github.com:acme/shop.git', true],
  ['ssh://git@ssh.github.com:443/Acme/Shop.git', true],
  ['https://mirror.example/acme/shop/', true],
  ['git@github.com:someone/shop.git', false],
  ['https://github.com/acme/shopping', false],
  // Whose it is cannot be told.
  ['/srv/git/shop.git', true],
  ['file:///srv/git/shop.git', true],
])('%s and a URL: %s', (other, expected) => {
  expect([mayBeSameRepository(SHOP, other), mayBeSameRepository(other, SHOP)]).toEqual([expected, expected])
})

test('paths are told apart by directory and name', () => {
  expect(mayBeSameRepository('/srv/git/shop.git', '/mnt/git/shop')).toBe(true)
  expect(mayBeSameRepository('/srv/private/shop.git', '/srv/work/shop.git')).toBe(false)
})

test.each([
  ['git@github.com:acme/shop.git', true],
  ['ssh://git@github.com:22/Acme/Shop.git/', true],
  ['ssh://me@github.com/acme/shop/.git', true],
  ['https://token@github.com/acme/shop', true],
  ['https://mirror.example/acme/shop', false],
  ['https://github.com/mirrors/acme/shop', false],
  ['/srv/acme/shop.git', false],
])('%s is surely the same as a URL: %s', (other, expected) => {
  expect([isSameRepository(SHOP, other), isSameRepository(other, SHOP)]).toEqual([expected, expected])
})

test('a hostile URL takes no time', () => {
  const begin = performance.now()
  for (const part of ['@', '/', 'a@', ':', 'a://@'])
    expect(mayBeSameRepository(`${part.repeat(100_000)}x`, SHOP)).toEqual(expect.any(Boolean))
  expect(performance.now() - begin).toBeLessThan(2_000)
})

test('of paths it is never sure', () => {
  expect(isSameRepository('/srv/acme/shop.git', '/srv/acme/shop.git')).toBe(false)
})
