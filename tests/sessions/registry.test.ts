import { type ChildProcess, spawn } from 'node:child_process'
import { afterEach, describe, expect, it } from 'vitest'
import { SessionRegistry } from '../../daemon/sessions/registry.ts'
import type { SessionHello } from '../../daemon/wire/hello.ts'
import { readProcess } from '../../daemon/wire/read-process.ts'

const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

async function liveProcess() {
  const child = spawn('sleep', ['60'])
  children.push(child)
  const found = await readProcess(child.pid ?? 0)
  if (found === null) throw new Error('no child')
  return { pid: found.pid, startedAt: found.startedAt }
}

const DEAD = { pid: 999_999_999, startedAt: '1' }

function hello(sessionId: string, clientProcess: SessionHello['clientProcess']): SessionHello {
  return {
    ...{ role: 'session', protocol: { min: 1, max: 1 }, version: '1', connectionId: 'c', sessionId, pid: 1 },
    ...{ clientProcess, clientName: null, clientVersion: null, cwd: '/', repoRoots: {}, sshAuthSock: null },
  }
}

describe('SessionRegistry', () => {
  it('a second connection of the same client process is the same session, of another one a session of its own', async () => {
    const registry = new SessionRegistry()
    const [one, other] = [await liveProcess(), await liveProcess()]
    const first = await registry.connect('a', hello('s', one))
    expect(await registry.connect('b', hello('s', one))).toBe(first)
    const second = await registry.connect('c', hello('s', other))
    expect(second).not.toBe(first)
    expect(second.ref.key).not.toBe(first.ref.key)
    expect(registry.connected).toBe(2)
  })

  it('is gone with its last connection, and the same session when it comes back from another process', async () => {
    const registry = new SessionRegistry()
    const first = await registry.connect('a', hello('s', await liveProcess()))
    await registry.connect('b', hello('s', first.ref.clientProcess))
    registry.close('a')
    expect(first.goneAt).toBeNull()
    registry.close('b')
    expect(first.goneAt).not.toBeNull()
    // `claude --resume`: another client process, the conversation is the same.
    const back = await registry.connect('c', hello('s', await liveProcess()))
    expect(back.ref.key).toBe('s')
    expect(back.goneAt).toBeNull()
    expect(back.goneSince).toBeNull()
  })

  it('another process that was given the pid is another client', async () => {
    const registry = new SessionRegistry()
    const first = await registry.connect('a', hello('s', { pid: 7, startedAt: '1' }))
    expect(await registry.connect('b', hello('s', { pid: 7, startedAt: '2' }))).not.toBe(first)
  })

  it('is remembered for as long as it may keep a job, and forgotten after', async () => {
    let now = 0
    const registry = new SessionRegistry({ forgetAfterMs: 3600_000, monotonic: () => now })
    await registry.connect('a', hello('s', DEAD))
    registry.close('a')
    now = 3600_000
    await registry.connect('b', hello('other', DEAD))
    expect(registry.get('s')).toBeDefined()
    now += 1
    await registry.connect('c', hello('third', DEAD))
    expect(registry.get('s')).toBeUndefined()
  })

  it('after a restart keeps an owner’s place while its client lives, and gives it away when that is dead', async () => {
    const alive = await liveProcess()
    const registry = new SessionRegistry()
    registry.restore({ key: 's', sessionId: 's', clientProcess: alive })
    const stranger = await registry.connect('a', hello('s', await liveProcess()))
    expect(stranger.ref.key).not.toBe('s')
    expect((await registry.connect('b', hello('s', alive))).ref.key).toBe('s')

    const later = new SessionRegistry()
    later.restore({ key: 's', sessionId: 's', clientProcess: DEAD })
    expect((await later.connect('a', hello('s', alive))).ref.key).toBe('s')
  })

  it('two hellos of one session at once make one session', async () => {
    const registry = new SessionRegistry()
    const client = await liveProcess()
    const sessions = await Promise.all(
      ['a', 'b', 'c'].map((name) => registry.connect(name, hello('s', client))),
    )
    expect(new Set(sessions).size).toBe(1)
  })
})
