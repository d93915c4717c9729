import { expect, test } from 'vitest'
import { covers, planPaths } from '../../../daemon/backlog/verify/plan-paths.ts'

test.each([
  ['Edit src/a.ts and `lib/b.py`.', ['src/a.ts', 'lib/b.py']],
  ['1. ./src/a.ts:12 first, then src/a.ts:12-40; src/a.ts.', ['src/a.ts']],
  ['- **docs/guide.md**: say so\n- config.yaml', ['docs/guide.md', 'config.yaml']],
  ['Put it below src/auth/ and test `tests/**/*.test.ts`', ['src/auth/', 'tests/**/*.test.ts']],
  ['app/[id]/page.tsx and @types/x.d.ts', ['app/[id]/page.tsx', '@types/x.d.ts']],
  ['Change the `Dockerfile` and .gitignore', ['Dockerfile', '.gitignore']],
  ['Rename src/ünï.ts, docs/Übersicht.md и документ.md', ['src/ünï.ts', 'docs/Übersicht.md', 'документ.md']],
  ['编辑src/a.ts文件', ['src/a.ts']],
  [
    'Edit src/{a,b}.ts and `lib/{c,d/e}.{js,md}`',
    ['src/a.ts', 'src/b.ts', 'lib/c.js', 'lib/c.md', 'lib/d/e.js', 'lib/d/e.md'],
  ],
  ['Put .env beside .gitignore', ['.env', '.gitignore']],
  // Kinds of files are none, nor is what code calls its environment.
  ['Turn all .js files into `.ts` and read `process.env` or import.meta.env', []],
  // No paths: alternatives, URLs, routes, versions, products, sentences.
  ['Use and/or see https://example.com/a/b.html for GET /api/users, e.g. with Node.js 20.1 or v1.2.3.', []],
  ['Do it. Then stop.', []],
  ['', []],
])('%s', (plan, paths) => {
  expect(planPaths(plan)).toEqual(paths)
})

test.each([
  ['src/a.ts', 'src/a.ts', true],
  ['a.ts', 'src/a.ts', true],
  ['a.ts', 'src/ba.ts', false],
  ['src/auth/', 'src/auth/login.ts', true],
  ['src/auth/', 'lib/src/auth/login.ts', true],
  ['src/auth/', 'src/authors.ts', false],
  ['tests/**/*.test.ts', 'tests/a/b.test.ts', true],
  ['tests/**/*.test.ts', 'tests/b.test.ts', true],
  ['src/*.ts', 'src/x/y.ts', false],
  ['app/[id]/page.tsx', 'app/[id]/page.tsx', true],
])('%s covers %s: %s', (path, file, expected) => {
  expect(covers(path, file)).toBe(expected)
})

test.each([
  ['slashes', `${'a/'.repeat(50_000)}b`],
  ['dots', 'a.'.repeat(50_000)],
  ['stars', `${'*'.repeat(100_000)} ${'**/'.repeat(90)}x.ts ${'a*'.repeat(140)}.ts`],
  ['backticks', '`'.repeat(100_000)],
  ['braces', '{a,b}'.repeat(50) + 'a{'.repeat(50_000) + '{,'.repeat(50_000)],
  ['colons', `\`${':1'.repeat(50_000)}\``],
])('a hostile plan of %s takes no time', (_name, plan) => {
  const begin = performance.now()
  for (const path of planPaths(plan)) covers(path, 'a'.repeat(4_000))
  expect(performance.now() - begin).toBeLessThan(2_000)
})
