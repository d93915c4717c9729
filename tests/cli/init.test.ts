import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cloneWithOrigin, git } from '../support/git.ts'
import type { Installation } from '../support/installation.ts'
import { Scenario } from '../support/scenario.ts'
import { seed } from '../support/seed.ts'

let scenario: Scenario
let machine: Installation
let productId: string

beforeAll(async () => {
  const running = await Scenario.running()
  scenario = running.scenario
  machine = running.machine
  productId = running.product.id
})
afterAll(() => scenario.close())

test('is idempotent, from anywhere in the clone, and keeps the roots that are there', async () => {
  const { clone, origin } = await cloneWithOrigin(join(machine.dir, 'more'), 'web shop')
  await mkdir(join(clone, 'deep', 'er'), { recursive: true })
  const first = await machine.json('init', clone)
  expect(first).toEqual({ product_id: expect.any(String), name: 'web shop', repo_root: clone })
  expect(await machine.json('init', join(clone, 'deep', 'er'))).toEqual(first)
  const inside = await machine.cliWith({ cwd: join(clone, 'deep') }, 'init', '--json')
  expect(JSON.parse(inside.stdout)).toEqual(first)
  const rows = await scenario.db.query('select * from products where name = $1', ['web shop'])
  expect(rows).toEqual([
    expect.objectContaining({ id: first.product_id, user_id: scenario.userId, repo_url: origin }),
  ])
  const file = JSON.parse(await readFile(join(machine.env.HOME ?? '', '.scrum4me-agent-config.json'), 'utf8'))
  expect(Object.keys(file.repoRoots).sort()).toEqual([productId, first.product_id].sort())
})

test('by name: a product of that name is taken, a new clone path replaces the old', async () => {
  const { clone } = await cloneWithOrigin(join(machine.dir, 'again'), 'shop2')
  const product = await seed.product(scenario.db, { user_id: scenario.userId, name: 'The Shop' })
  expect(await machine.json('init', clone, '--name', 'The Shop')).toEqual({
    product_id: product.id,
    name: 'The Shop',
    repo_root: clone,
  })
})

test('a directory of the same name is no reason to take the product of another repository', async () => {
  const ours = await cloneWithOrigin(join(machine.dir, 'ours'), 'api')
  const theirs = await cloneWithOrigin(join(machine.dir, 'theirs'), 'api')
  const first = await machine.json('init', ours.clone)
  const { code, stdout, stderr } = await machine.cli('init', theirs.clone, '--json')
  expect([code, stdout]).toEqual([1, ''])
  expect(stderr).toMatch(/^CONFLICT: The product api .* --name/)
  expect(stderr).toContain(ours.origin)
  // Nothing moved; and whoever gives a name gets a product of that name.
  expect(await machine.json('init', ours.clone)).toEqual(first)
  const other = await machine.json('init', theirs.clone, '--name', 'their api')
  expect(other).toMatchObject({ name: 'their api', repo_root: theirs.clone })
  expect(other.product_id).not.toBe(first.product_id)
})

test('without origin, the product is of the directory that is recorded, for as long as that is there', async () => {
  const [here, there] = [join(machine.dir, 'here', 'local'), join(machine.dir, 'there', 'local')]
  for (const place of [here, there]) {
    await mkdir(place, { recursive: true })
    await git(place, 'init', '-q')
  }
  const first = await machine.json('init', here)
  expect((await machine.cli('init', there)).stderr).toContain(`is that of ${here}, and`)
  await rm(here, { recursive: true })
  expect(await machine.json('init', there)).toEqual({ ...first, repo_root: there })
})

test('the same repository is known by another kind of URL', async () => {
  const { clone } = await cloneWithOrigin(join(machine.dir, 'ssh'), 'front')
  await git(clone, 'remote', 'set-url', 'origin', 'git@example.invalid:Team/front.git')
  const product = await seed.product(scenario.db, {
    ...{ user_id: scenario.userId, name: 'front', repo_url: 'https://example.invalid/team/front/' },
  })
  expect(await machine.json('init', clone)).toMatchObject({ product_id: product.id })
  // Nor does it matter what its directory is called here, unless somebody says so.
  const other = await cloneWithOrigin(join(machine.dir, 'ssh'), 'checkout-2')
  await git(other.clone, 'remote', 'set-url', 'origin', 'https://example.invalid/Team/front')
  expect(await machine.json('init', other.clone)).toMatchObject({ name: 'front', product_id: product.id })
  const another = await cloneWithOrigin(join(machine.dir, 'ssh'), 'checkout-3')
  await git(another.clone, 'remote', 'set-url', 'origin', 'ssh://git@example.invalid/team/front.git')
  expect(await machine.json('init', another.clone, '--name', 'apart')).toMatchObject({ name: 'apart' })
})

test('a product without the URL of its repository is taken by its name', async () => {
  const { clone } = await cloneWithOrigin(join(machine.dir, 'blank'), 'blank')
  const product = await seed.product(scenario.db, {
    ...{ user_id: scenario.userId, name: 'blank', repo_url: '' },
  })
  expect(await machine.json('init', clone)).toMatchObject({ product_id: product.id })
})

test('another name makes another product of the same repository, and says so', async () => {
  const { clone } = await cloneWithOrigin(join(machine.dir, 'twice'), 'web')
  await machine.cli('init', clone)
  const { stdout } = await machine.cli('init', clone, '--name', 'docs')
  expect(stdout).toMatch(/^Created product docs /)
  expect(stdout).toContain('It is the repository of web as well.')
})

test('says that the product is there when its root cannot be recorded', async () => {
  const { clone } = await cloneWithOrigin(join(machine.dir, 'unrecorded'), 'unrecorded')
  const file = join(machine.env.HOME ?? '', '.scrum4me-agent-config.json')
  const before = await readFile(file)
  await writeFile(file, 'not json {')
  const { code, stdout, stderr } = await machine.cli('init', clone)
  await writeFile(file, before)
  expect([code, stdout]).toEqual([1, ''])
  const [product] = await scenario.db.query('select id from products where name = $1', ['unrecorded'])
  expect(stderr).toContain(`VALIDATION_ERROR: Created product unrecorded (${product?.id}), but`)
  expect(stderr).toContain(`SCRUM4ME_REPO_ROOT_${product?.id}=${clone}`)
})

test('ten at once make one product', async () => {
  const { clone } = await cloneWithOrigin(join(machine.dir, 'ten'), 'ten')
  const made = await Promise.all(Array.from({ length: 10 }, () => machine.json('init', clone)))
  expect(new Set(made.map((one) => one.product_id)).size).toBe(1)
  expect(await scenario.db.query('select id from products where name = $1', ['ten'])).toHaveLength(1)
})

test('credentials of origin do not reach the database', async () => {
  // A name may be an address: the host begins behind the last @. What is no URL at all has its secrets, too.
  for (const [user, name] of [
    ['me', 'me'],
    ['me@example.org', 'address'],
    ['me:a?b#c', 'question'],
  ]) {
    const { clone } = await cloneWithOrigin(join(machine.dir, `private-${name}`), `private-${name}`)
    await git(
      clone,
      'remote',
      'set-url',
      'origin',
      `https://${user}:s3cret@example.invalid/x.git?private_token=t0`,
    )
    const { product_id } = await machine.json('init', clone)
    const [row] = await scenario.db.query('select repo_url from products where id = $1', [product_id])
    expect(row).toEqual({ repo_url: 'https://example.invalid/x.git' })
  }
})

test.each(['/nonexistent', '/', '/etc/passwd'])('%s is no repository', async (path) => {
  const { code, stderr, stdout } = await machine.cli('init', path, '--json')
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toMatch(/^VALIDATION_ERROR: .*no git repository/)
})

test('an archived product of that name is not taken silently', async () => {
  const { clone } = await cloneWithOrigin(join(machine.dir, 'arch'), 'arch')
  await seed.product(scenario.db, { user_id: scenario.userId, name: 'arch', archived: true })
  const { code, stderr } = await machine.cli('init', clone)
  expect(code).toBe(1)
  expect(stderr).toMatch(/^CONFLICT: .*archived/)
})
