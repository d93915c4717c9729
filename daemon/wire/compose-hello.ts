import { fromTilde } from '../paths.ts'
import { VERSION } from '../version.ts'
import { findClientProcess } from './find-client-process.ts'
import type { SessionHello } from './hello.ts'
import { isRecord } from './json-rpc.ts'
import { PROTOCOL } from './protocol.ts'

const ROOT_PREFIX = 'SCRUM4ME_REPO_ROOT_'

/** Who this session is, for every daemon it will meet. `client`: what the client calls itself. */
export async function composeHello(env: NodeJS.ProcessEnv, client: unknown): Promise<SessionHello> {
  const { name, version } = isRecord(client) ? client : {}
  const connectionId = `${process.pid}-${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`
  const repoRoots: Record<string, string> = {}
  for (const [key, value] of Object.entries(env)) {
    if (key.startsWith(ROOT_PREFIX) && value) repoRoots[key.slice(ROOT_PREFIX.length)] = fromTilde(value, env)
  }
  return {
    role: 'session',
    protocol: PROTOCOL,
    version: VERSION,
    connectionId,
    sessionId: env.CLAUDE_CODE_SESSION_ID?.slice(0, 128) || `shim-${connectionId}`,
    pid: process.pid,
    clientProcess: await findClientProcess(process.ppid),
    clientName: text(name),
    clientVersion: text(version),
    cwd: workingDirectory(env),
    repoRoots,
    sshAuthSock: env.SSH_AUTH_SOCK || null,
  }
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value.slice(0, 128) : null
}

/** The directory we were started in may be gone by now. */
function workingDirectory(env: NodeJS.ProcessEnv): string {
  try {
    return process.cwd()
  } catch {
    return env.CLAUDE_PROJECT_DIR || env.PWD || '/'
  }
}
