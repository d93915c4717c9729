import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { logs } from '../../daemon/cli/logs.ts'
import { LogFile } from '../../daemon/log-file.ts'
import { journalLine, openLogOutput } from '../../daemon/log-sinks.ts'
import { logText } from '../../daemon/log-text.ts'
import { createLogger } from '../../daemon/logger.ts'
import { resolvePaths } from '../../daemon/paths.ts'
import { Redactor } from '../../daemon/redact.ts'
import { until } from '../support/until.ts'
import { fakeTerminal } from './terminal.ts'

let home: string
let directory: string

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 's4m-log-'))
  directory = join(home, 'logs')
  await import('node:fs/promises').then((fs) => fs.mkdir(directory))
})
afterEach(() => rm(home, { recursive: true, force: true }))

describe('file', () => {
  test('rotates by size, keeps a few, loses no line, is ours alone', async () => {
    const log = new LogFile(directory, { maxBytes: 1000, keep: 3 })
    for (let index = 0; index < 60; index += 1) {
      log.write(`${String(index).padStart(99, '.')}\n`)
      // Lines of one burst are written as one; rotation is looked at between bursts.
      if (index % 5 === 4) await log.flush()
    }
    await log.flush()
    expect((await readdir(directory)).sort()).toEqual([
      'daemon.log',
      'daemon.log.1',
      'daemon.log.2',
      'daemon.log.3',
    ])
    const texts = await Promise.all(
      ['daemon.log.3', 'daemon.log.2', 'daemon.log.1', 'daemon.log'].map((name) =>
        readFile(join(directory, name), 'utf8'),
      ),
    )
    for (const text of texts) expect(text.length).toBeLessThanOrEqual(1000)
    const numbers = texts
      .join('')
      .trim()
      .split('\n')
      .map((line) => Number(line.replaceAll('.', '')))
    expect(numbers).toEqual(Array.from({ length: 40 }, (_, index) => index + 20))
    const { mode } = await import('node:fs/promises').then((fs) => fs.stat(log.path))
    expect(mode & 0o777).toBe(0o600)
  })

  test('what is put aside and too old goes', async () => {
    const log = new LogFile(directory, { maxBytes: 10, keep: 9, maxAgeMs: 1000 })
    await writeFile(join(directory, 'daemon.log.4'), 'old')
    await utimes(join(directory, 'daemon.log.4'), 1, 1)
    log.write('0123456789\n')
    await log.flush()
    log.write('next\n')
    await log.flush()
    expect((await readdir(directory)).sort()).toEqual(['daemon.log', 'daemon.log.1'])
  })

  test('a directory that vanishes costs lines, not the process', async () => {
    const log = new LogFile(directory)
    await rm(directory, { recursive: true })
    log.write('lost\n')
    await log.flush()
    await import('node:fs/promises').then((fs) => fs.mkdir(directory))
    log.write('kept\n')
    await log.flush()
    expect(await readFile(log.path, 'utf8')).toBe('kept\n')
  })

  test('a flood is bounded, and the gap is told', async () => {
    const log = new LogFile(directory)
    const line = `${'x'.repeat(1023)}\n`
    for (let index = 0; index < 10_000; index += 1) log.write(line)
    await log.flush()
    log.write('after\n')
    await log.flush()
    const names = await readdir(directory)
    const text = (await Promise.all(names.map((name) => readFile(join(directory, name), 'utf8')))).join('')
    expect(text.length).toBeLessThan(5 * 1024 * 1024)
    expect(text).toMatch(/\d+ log lines were dropped/)
    expect(text).toContain('after')
  })
})

test('secrets reach no sink, in whatever form they are logged', async () => {
  const redactor = new Redactor()
  const secret = 'p"ss\\w/rd é%'
  redactor.add(secret)
  const output = openLogOutput({ directory, env: {}, stderr: { write: () => true }, redactor })
  const journal: string[] = []
  const other = openLogOutput({
    directory,
    env: { JOURNAL_STREAM: '8:1' },
    stderr: { write: (text) => journal.push(text) },
    redactor,
  })
  for (const { sink } of [output, other]) {
    const logger = createLogger('info', sink)
    logger.info({ url: `postgresql://u:${encodeURIComponent(secret)}@h/d` }, `said ${secret}`)
    logger.error({ err: new Error(secret), nested: { deep: [secret] } }, 'failed')
  }
  await output.flush()
  const text = (await readFile(join(directory, 'daemon.log'), 'utf8')) + journal.join('')
  expect(text).toContain('said ***')
  for (const form of [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)]) {
    expect(text).not.toContain(form)
  }
})

test('journald gets a priority per line', () => {
  expect(journalLine('{"level":"error","msg":"x"}\n')).toBe('<3>{"level":"error","msg":"x"}\n')
  expect(journalLine('{"level":"warn"}\n')).toMatch(/^<4>/)
  expect(journalLine('{"level":"debug"}\n')).toMatch(/^<7>/)
})

test('a line for people', () => {
  const line =
    '{"level":"warn","time":"2026-01-02T03:04:05.678Z","service":"presence","gap_ms":7000,"err":"a b","msg":"late"}'
  expect(logText(line, false)).toMatch(
    /^2026-01-0\d \d\d:\d\d:05\.678 WARN {2}presence: late gap_ms=7000 err="a b"$/,
  )
  expect(logText('not json', false)).toBe('not json')
})

describe('logs', () => {
  const run = async (lines: number) => {
    const terminal = fakeTerminal()
    const paths = resolvePaths({}, { home })
    const code = await logs({ terminal, env: { HOME: home }, cwd: '/', home, paths }, { lines, raw: true })
    return { code, terminal }
  }

  test('shows the last lines and says where from', async () => {
    const all = Array.from({ length: 5000 }, (_, index) => `line ${index} ü${'x'.repeat(40)}`)
    await writeFile(join(directory, 'daemon.log'), `${all.join('\n')}\nunfinished`)
    const { code, terminal } = await run(3000)
    expect(code).toBe(0)
    expect(terminal.stdout.trimEnd().split('\n')).toEqual(all.slice(-3000))
    expect(terminal.stderr).toContain(join(directory, 'daemon.log'))
    // With --follow: from now on.
    expect((await run(0)).terminal.stdout).toBe('')
  })

  test('--follow goes over a rotation without losing a line, and ends when nobody reads any more', async () => {
    const closed = new AbortController()
    const terminal = fakeTerminal({ closed: closed.signal })
    const paths = resolvePaths({}, { home })
    const log = new LogFile(directory, { maxBytes: 400, keep: 5 })
    const following = logs(
      { terminal, env: { HOME: home }, cwd: '/', home, paths },
      { lines: 10, raw: true, follow: true },
    )
    for (let index = 0; index < 40; index += 1) {
      log.write(`line ${index} ${'x'.repeat(20)}\n`)
      await log.flush()
      // At most one rotation behind, as a reader that looks four times a second is.
      if (index % 8 === 7) await until('it follows', () => terminal.stdout.includes(`line ${index} `))
    }
    closed.abort()
    expect(await following).toBe(0)
    const numbers = terminal.stdout
      .trim()
      .split('\n')
      .map((line) => Number(line.split(' ')[1]))
    expect(numbers).toEqual(Array.from({ length: 40 }, (_, index) => index))
    expect((await readdir(directory)).length).toBeGreaterThan(2)
  })

  test('a home without a log', async () => {
    await expect(run(5)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})
