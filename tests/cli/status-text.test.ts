import { describe, expect, test } from 'vitest'
import { jobsText } from '../../daemon/cli/jobs.ts'
import { Reply } from '../../daemon/cli/reply.ts'
import { frame } from '../../daemon/cli/status.ts'
import { statusText } from '../../daemon/cli/status-text.ts'
import { styleOf } from '../../daemon/cli/style.ts'
import { agoText } from '../../daemon/cli/units.ts'
import { bytesText } from '../../daemon/status/bytes-text.ts'
import { durationText } from '../../daemon/status/duration-text.ts'
import type { StatusReport } from '../../daemon/wire/status-report.ts'

const NOW = Date.parse('2026-01-02T03:04:05.000Z')

const healthy: StatusReport = {
  state: 'healthy',
  problems: [],
  daemon: {
    version: '0.1.0',
    pid: 4711,
    started_at: '2026-01-02T02:04:05.000Z',
    uptime_seconds: 3600,
    supervisor: 'systemd',
    home: '/home/u/.scrum4me',
    socket: '/home/u/.scrum4me/run/daemon.sock',
    node: 'v20.20.2',
    paused: false,
  },
  presence: {
    state: 'present',
    instance_id: 'i',
    hostname: 'box',
    last_beat_at: '2026-01-02T03:04:03.000Z',
    last_beat_age_seconds: 2,
    longest_gap_seconds: 5.04,
    heartbeat_seconds: 5,
  },
  database: {
    kind: 'embedded',
    where: '/d',
    state: 'up',
    latency_ms: 0.42,
    listen: 'listening',
    error: null,
  },
  sessions: [
    {
      session_id: 'abcdef0123456789',
      client: 'claude-code 2.1',
      pid: 99,
      connected: true,
      connected_at: '2026-01-02T03:00:00.000Z',
      cwd: '/srv/evil\u001b[2Jdir',
      activity: 'waiting',
      job_id: null,
      since: '2026-01-02T03:03:05.000Z',
    },
    {
      session_id: '0123456789abcdef',
      client: null,
      pid: 0,
      connected: false,
      connected_at: '2026-01-02T03:00:00.000Z',
      cwd: '',
      activity: 'gone',
      job_id: 'job1',
      since: '2026-01-02T03:03:05.000Z',
    },
  ],
  jobs: [
    {
      job_id: 'job1',
      state: 'running',
      product_id: 'p1',
      task: 'T-1 Do it',
      session_id: 's',
      worktree_path: '/w/job1',
      branch: 'feat/job-1',
      claimed_at: '2026-01-02T03:00:05.000Z',
      lease_until: null,
      report_spooled: true,
    },
  ],
  worktrees: {
    directory: '/w',
    count: 2,
    bytes: 1536 * 1024,
    free_disk_bytes: 5 * 1024 ** 3,
    saved: 1,
    entries: [
      {
        job_id: 'job0',
        path: '/w/job0',
        branch: 'b',
        state: 'deferred',
        reason: 'pid 7 stands in it',
        bytes: 10,
      },
      { job_id: 'job1', path: '/w/job1', branch: 'c', state: 'active', reason: null, bytes: 20 },
    ],
  },
  queue: { queued: 3, without_clone: 1, claimed: 1, running: 1 },
}

describe('text', () => {
  test('a healthy daemon on one screen', () => {
    expect(statusText(healthy, styleOf(false), NOW)).toBe(
      [
        '● scrum4me-daemon healthy',
        '',
        '  daemon     0.1.0, pid 4711, up 60 min, under systemd, Node v20.20.2',
        '  home       /home/u/.scrum4me',
        '  presence   present as box, last beat 2.0 s ago, longest gap 5.0 s',
        '  database   up, 0.4 ms, embedded /d, LISTEN listening',
        '  queue      3 queued (1 without a clone here), 1 claimed, 1 running',
        '  worktrees  2 in /w, 1.5 MiB, 1 saved, 5.0 GiB free',
        '',
        'Sessions',
        '  abcdef01  claude-code 2.1  pid 99  waiting    60 s  /srv/evil [2Jdir',
        '  01234567  unknown client   -       gone job1  60 s',
        '',
        'Jobs held here',
        '  job1  running, report waits on disk  T-1 Do it  feat/job-1  4 min',
        '',
        'Worktrees that stay for now',
        '  job0  deferred: pid 7 stands in it  10 B  /w/job0',
      ].join('\n'),
    )
  })

  test('complaints come first, each with its remedy', () => {
    const report: StatusReport = {
      ...healthy,
      state: 'degraded',
      problems: [{ code: 'DISK_LOW', message: 'Full.', remedy: 'Make room.' }],
    }
    const [first, second, third] = statusText(report, styleOf(false), NOW).split('\n')
    expect(first).toContain('degraded')
    expect(second).toContain('DISK_LOW Full.')
    expect(third).toContain('→ Make room.')
  })

  test.each([
    'starting',
    'draining',
    'stopped',
    'not_answering',
  ] as const)('%s is shown without facts', (state) => {
    const report: StatusReport = {
      ...{ state, problems: [], sessions: [], jobs: [] },
      ...{ daemon: null, presence: null, database: null, worktrees: null, queue: null },
    }
    expect(statusText(report, styleOf(false), NOW).split('\n')).toHaveLength(1)
  })

  test('what leaves it healthy is marked as no failure', () => {
    const problems = [{ code: 'FETCH_FAILED', message: 'No network.', remedy: 'Wait.' }]
    const lines = statusText({ ...healthy, problems }, styleOf(false), NOW).split('\n')
    expect(lines.slice(0, 2)).toEqual(['● scrum4me-daemon healthy', '  ! FETCH_FAILED No network.'])
  })

  test('a long list is cut with a count', () => {
    const sessions = Array.from({ length: 50 }, () => healthy.sessions[0]).filter((one) => one !== undefined)
    const text = statusText({ ...healthy, sessions }, styleOf(false), NOW)
    expect(text).toContain('… and 38 more')
  })
})

test('a frame of --watch overwrites in place and fits the screen', () => {
  const complaint = '  \u001b[31m✗\u001b[39m CODE a message to be read to its end'
  const rows = frame(complaint, { columns: 20, rows: 9 }).replaceAll('\u001b[K', '').split('\r\n')
  expect(rows.slice(0, 4)).toEqual([
    '\u001b[H  \u001b[31m✗\u001b[39m CODE a message',
    '      to be read to',
    '      its end',
    '\u001b[J',
  ])
  const text = frame('\u001b[1mlong line\u001b[22m\nsecond\nthird', { columns: 4, rows: 3 })
  expect(text).toBe('\u001b[H\u001b[1mlong\u001b[22m\u001b[K\r\nseco\u001b[K\r\n\u001b[J')
})

test('jobs say what the time in their row is of', () => {
  const job = (status: string, more: Record<string, string | null> = {}) =>
    new Reply({
      ...{ job_id: 'j', status, product: 'p', created_at: '2026-01-02T03:01:05.000Z' },
      ...{ claimed_at: '2026-01-02T03:03:38.000Z', finished_at: null, ...more },
    })
  const text = jobsText(
    [
      job('failed', { finished_at: '2026-01-02T03:04:05.000Z' }),
      job('running'),
      job('queued', { claimed_at: null }),
      job('cancelled'),
    ],
    NOW,
  )
  expect(text.split('\n').map((line) => line.trim().split(/ {2,}/).at(-1))).toEqual([
    'WHEN',
    'ended 0 s ago',
    'claimed 27 s ago',
    'created 3 min ago',
    'created 3 min ago',
  ])
})

test('units', () => {
  expect([0, 1023, 1024, 150 * 1024, 3.2 * 1024 ** 3].map(bytesText)).toEqual([
    '0 B',
    '1023 B',
    '1.0 KiB',
    '150 KiB',
    '3.2 GiB',
  ])
  expect([5, 119, 120, 7199, 7200, 200_000].map(durationText)).toEqual([
    '5 s',
    '119 s',
    '2 min',
    '119 min',
    '2 h 0 min',
    '2 d 7 h',
  ])
  expect(agoText('nonsense', NOW)).toBe('-')
})
