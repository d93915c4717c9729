import { spawn } from 'node:child_process'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { isStillIts, mayAdopt } from '../../daemon/dispatch/ownership.ts'
import { type ClaimRecord, parseClaimRecord } from '../../daemon/jobs/claim-record.ts'
import { SessionRegistry } from '../../daemon/sessions/registry.ts'
import type { Session, SessionRef } from '../../daemon/sessions/session.ts'
import type { ClientProcess, SessionHello } from '../../daemon/wire/hello.ts'
import { readProcess } from '../../daemon/wire/read-process.ts'

const DEAD = { pid: 999_999_999, startedAt: '1' }
let live: ClientProcess
let other: ClientProcess
let ended: (() => void)[] = []

beforeEach(async () => {
  ;[live, other] = [await process(), await process()]
})
afterEach(() => {
  for (const end of ended.splice(0)) end()
})

async function process(): Promise<ClientProcess> {
  const child = spawn('sleep', ['60'])
  ended = [...ended, () => child.kill('SIGKILL')]
  const found = await readProcess(child.pid ?? 0)
  if (found === null) throw new Error('no child')
  return { pid: found.pid, startedAt: found.startedAt }
}

function claim(owner: SessionRef | null, more: Partial<ClaimRecord> = {}): ClaimRecord {
  const record = parseClaimRecord({
    identity: { jobId: 'j', tokenId: 't', instanceId: 'i', claimedAt: '2026-01-01 00:00:00' },
    ...{ state: 'held', since: '', userId: 'u', productId: 'p', taskLabel: 'T-1', repoRoot: '/', owner },
    ...{ delivered: true, running: false, worktree: null, answer: {}, releasedAt: null, report: null },
    ...{ result: null, lost: null },
  })
  if (record === undefined) throw new Error('no claim')
  return { ...record, ...more }
}

/** A session of this client, its shim being the process `shim`. */
async function session(
  registry: SessionRegistry,
  id: string,
  clientProcess: ClientProcess | null,
  shim = DEAD.pid,
): Promise<Session> {
  const hello: SessionHello = {
    ...{ role: 'session', protocol: { min: 1, max: 1 }, version: '1', connectionId: id, sessionId: id },
    ...{ pid: shim, clientProcess, clientName: null, clientVersion: null, cwd: '/', repoRoots: {} },
    sshAuthSock: null,
  }
  return registry.connect(id, hello)
}

it('nobody takes over from a session that is connected; whoever comes first from one whose client has ended', async () => {
  const sessions = new SessionRegistry()
  const owner = await session(sessions, 'owner', DEAD)
  const heir = await session(sessions, 'heir', live)
  expect(await mayAdopt(claim(owner.ref), heir, sessions)).toBe(false)
  sessions.close('owner')
  expect(await mayAdopt(claim(owner.ref), heir, sessions)).toBe(true)
  expect(await mayAdopt(claim(null), heir, sessions)).toBe(true)
})

it('a session whose shim lives, or that is known from before a restart, has ten seconds to come back', async () => {
  for (const [seconds, may] of [
    [9, false],
    [11, true],
  ] as const) {
    const sessions = new SessionRegistry({ monotonic: () => performance.now() - seconds * 1000 })
    const heir = await session(sessions, 'heir', live)
    const owner = await session(sessions, 'owner', DEAD, other.pid)
    sessions.close('owner')
    expect(await mayAdopt(claim(owner.ref), heir, sessions)).toBe(may)
    const before = { key: 'before', sessionId: 'before', clientProcess: DEAD }
    sessions.restore(before)
    expect(await mayAdopt(claim(before), heir, sessions)).toBe(may)
  }
})

it('while its client lives, a vanished session’s job is another session’s of that client only', async () => {
  const sessions = new SessionRegistry()
  const owner = { key: 'owner', sessionId: 'owner', clientProcess: other }
  const [heir, sibling] = [await session(sessions, 'heir', live), await session(sessions, 'sibling', other)]
  expect(await mayAdopt(claim(owner), heir, sessions)).toBe(false)
  expect(await mayAdopt(claim(owner), sibling, sessions)).toBe(true)
  // The pid is another process's by now.
  const recycled = { ...owner, clientProcess: { ...other, startedAt: '1' } }
  expect(await mayAdopt(claim(recycled), heir, sessions)).toBe(true)
  // Whether a client that is not known lives cannot be told: the grace decides.
  const unknown = { ...owner, clientProcess: null }
  for (const one of [heir, await session(sessions, 'no client', null)])
    expect(await mayAdopt(claim(unknown), one, sessions)).toBe(false)
})

it('a job offered on in vain is still of the session that had it, until another has surely received it', async () => {
  const sessions = new SessionRegistry()
  const [first, stranger] = [
    await session(sessions, 'first', live),
    await session(sessions, 'stranger', other),
  ]
  const offered = { earlier: [first.ref], delivered: false }
  for (const state of ['undelivered', 'released'] as const) {
    expect(isStillIts(claim(null, { ...offered, state }), first)).toBe(true)
    expect(isStillIts(claim(null, { ...offered, state }), stranger)).toBe(false)
    expect(isStillIts(claim(null, { ...offered, state, delivered: true }), first)).toBe(false)
  }
  for (const state of ['preparing', 'held', 'lost'] as const)
    expect(isStillIts(claim(null, { ...offered, state }), first)).toBe(false)
})
