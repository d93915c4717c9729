import type { SessionHello } from '../../daemon/wire/hello.ts'
import { PROTOCOL } from '../../daemon/wire/protocol.ts'

export function sessionHello(over: Partial<SessionHello> = {}): SessionHello {
  return {
    role: 'session',
    protocol: PROTOCOL,
    version: '0.1.0',
    connectionId: `test-${Math.random().toString(36).slice(2)}`,
    sessionId: 'test-session',
    pid: process.pid,
    clientProcess: null,
    clientName: 'test',
    clientVersion: '1',
    cwd: '/',
    repoRoots: {},
    sshAuthSock: null,
    ...over,
  }
}
