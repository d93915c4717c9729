import { expect, test } from 'vitest'
import { parseChangedFiles, parseCounts, parsePatch } from '../../../daemon/backlog/verify/parse-diff.ts'

const ZERO = '0'.repeat(40)
const BLOB = 'a'.repeat(40)

test('raw entries, with names of any kind', () => {
  const output = `:100644 100644 ${BLOB} ${ZERO} M\0a b\n"c".ts\0:000000 100644 ${ZERO} ${BLOB} A\0ü\0:100644 000000 ${BLOB} ${ZERO} D\0gone\0`
  expect(parseChangedFiles(output)).toEqual([
    { path: 'a b\n"c".ts', change: 'modified', baseBlob: BLOB, onDisk: true },
    { path: 'ü', change: 'added', baseBlob: ZERO, onDisk: false },
    { path: 'gone', change: 'deleted', baseBlob: BLOB, onDisk: true },
  ])
  expect(parseChangedFiles('')).toEqual([])
})

test('counts, also of binary files', () => {
  expect(parseCounts('3\t1\ta.ts\0-\t-\tb.png\0')).toEqual([
    { path: 'a.ts', added: 3, deleted: 1 },
    { path: 'b.png', added: 0, deleted: 0 },
  ])
})

test('added lines that look like headers stay content', () => {
  const patch = [
    'diff --git a/x.md b/x.md',
    '--- a/x.md',
    '+++ b/x.md',
    '@@ -1,2 +1,3 @@ context',
    '--- a/old',
    '-gone',
    '+++ b/not-a-file',
    '+@@ -1 +1 @@',
    '+plain',
    '@@ -9 +10 @@',
    '-one',
    '+uno',
    'diff --git a/a b b/a b',
    '--- /dev/null',
    '+++ b/a b\t',
    '@@ -0,0 +1 @@',
    '+new',
    '\\ No newline at end of file',
    '--- a/deleted',
    '+++ /dev/null',
    '@@ -1 +0,0 @@',
    '-x',
  ].join('\n')
  expect([...parsePatch(patch)]).toEqual([
    ['x.md', '++ b/not-a-file\n@@ -1 +1 @@\nplain\nuno\n'],
    ['a b', 'new\n'],
  ])
})
