import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type ChildCall, runChild } from '../../../daemon/worktrees/git/run-child.ts'
import { tempHome } from '../../ipc/temp-home.ts'

const PATH = process.env.PATH ?? ''

function shell(script: string, more: Partial<ChildCall> = {}) {
  return runChild({
    ...{ command: 'sh', args: ['-c', script], cwd: '/', env: { PATH }, deadlineMs: 40_000 },
    ...more,
  })
}

test('what a child prints is held up to the limit and not beyond; it and its children are ended', async () => {
  const whole = await shell('head -c 100000 /dev/zero', { maxBytes: 100_000 })
  expect(whole).toMatchObject({ code: 0, ended: 'by-itself' })
  expect(whole.stdout).toHaveLength(100_000)
  const endless = await shell('cat /dev/zero | cat', { maxBytes: 100_000 })
  expect(endless.ended).toBe('too-much')
  expect(endless.stdout.length).toBeLessThanOrEqual(100_000)
  const unlimited = await shell('head -c 70000000 /dev/zero')
  expect(unlimited.ended).toBe('too-much')
})

test('a file takes any amount', async () => {
  const { home } = await tempHome()
  const file = join(home, 'output')
  const handle = await open(file, 'w')
  onTestFinished(() => handle.close())
  const written = await shell('head -c 200000 /dev/zero', { output: handle.fd, maxBytes: 1_000 })
  expect(written).toMatchObject({ code: 0, ended: 'by-itself' })
  expect(await readFile(file)).toHaveLength(200_000)
})

test('of endless complaints the end is kept', async () => {
  const { stderr } = await shell('head -c 3000000 /dev/zero | tr "\\0" x >&2; echo fatal: enough >&2')
  expect(stderr.length).toBeLessThanOrEqual(1024 * 1024)
  expect(stderr.endsWith('xfatal: enough\n')).toBe(true)
})
