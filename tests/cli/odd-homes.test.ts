import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { toDaemonError } from '../../daemon/errors.ts'
import { commandLine } from './command-line.ts'

const { cli, directory } = commandLine()

test('status and doctor report also of a home that is none', async () => {
  const file = join(directory(), 'home-is-a-file')
  await writeFile(file, '')
  for (const at of [file, join(file, 'below')]) {
    const { code, stdout, stderr } = await cli(['status', '--json', '--home', at])
    expect([code, stderr]).toEqual([3, ''])
    const { state, problems } = JSON.parse(stdout)
    expect(state).toBe('stopped')
    expect(problems).toEqual([
      expect.objectContaining({
        code: expect.stringMatching(/^(PERMISSION_DENIED|VALIDATION_ERROR)$/),
        message: expect.stringContaining(file),
      }),
    ])
    const doctor = await cli(['doctor', '--json', '--home', at])
    expect([doctor.code, doctor.stderr]).toEqual([1, ''])
    const { checks } = JSON.parse(doctor.stdout)
    const stateOf = (name: string) => checks.find((check: { name: string }) => check.name === name)?.state
    expect([stateOf('home'), stateOf('git')]).toEqual(['fail', 'ok'])
    const run = await cli(['run', '--home', at])
    expect(run.stderr).toMatch(/--home or SCRUM4ME_HOME/)
  }
})

test.each([
  'run',
  'logs',
])('%s that cannot be looked at is not taken for one that is not there', async (name) => {
  const other = join(directory(), `unreadable-${name}`)
  await mkdir(other)
  await symlink(name, join(other, name))
  const { code, stdout, stderr } = await cli([name === 'run' ? 'stop' : 'logs', '--home', other])
  expect([code, stdout]).toEqual([1, ''])
  expect(stderr).toMatch(/^VALIDATION_ERROR: .*ELOOP/)
})

test.each(['start', 'run'])('%s with a home where none can be says which and why', async (command) => {
  const file = join(directory(), 'a-file')
  await writeFile(file, '')
  const { code, stderr } = await cli([command, '--home', join(file, 'home')])
  expect(code).not.toBe(0)
  expect(stderr).toContain(file)
  expect(stderr).toContain('ENOTDIR')
  expect(stderr).not.toMatch(/INTERNAL|defect/)
})

test('a path that the file system refuses is no defect', () => {
  const refused = Object.assign(new Error("EROFS: read-only file system, mkdir '/ro/x'"), {
    ...{ code: 'EROFS', path: '/ro/x', syscall: 'mkdir' },
  })
  expect(toDaemonError(refused).text).toBe(
    'PERMISSION_DENIED: /ro/x: the file system is read-only (EROFS, mkdir). Make it writable, or name another path.',
  )
  // A failed write names no path.
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), {
    ...{ code: 'ENOSPC', syscall: 'write' },
  })
  expect(toDaemonError(full).text).toBe(
    'DISK_LOW: A file could not be written: no space is left on the device (ENOSPC, write). Free some space on that file system and try again.',
  )
  expect(toDaemonError(new TypeError('x')).code).toBe('INTERNAL')
  expect(toDaemonError(Object.assign(new Error('x'), { code: 'EACCES' })).code).toBe('INTERNAL')
})

test('start tells of no log where none was opened', async () => {
  const { code, stderr } = await cli(['start', '--home', join(directory(), 'no-log')], {
    SCRUM4ME_LEASE_SECONDS: 'soon',
  })
  expect(code).toBe(1)
  expect(stderr).toMatch(
    /SCRUM4ME_LEASE_SECONDS: expected(.|\n)*\nThe daemon ended at once, exit code 78\.\n$/,
  )
})

test.each(['start', 'stop', 'jobs', 'run'])('%s takes no place from where it stands', async (command) => {
  for (const env of [{ SCRUM4ME_HOME: 'q' }, { SCRUM4ME_SOCKET: 'q/x.sock' }]) {
    const { code, stderr } = await cli([command], env)
    expect(code).toBe(command === 'run' ? 78 : 1)
    expect(stderr).toMatch(new RegExp(`^VALIDATION_ERROR: (.|\\n)*${Object.keys(env)[0]}.*absolute path`))
  }
})
