import { VERSION } from '../daemon/version.ts'
import type { SessionHello } from '../daemon/wire/hello.ts'
import type { JsonRpcRequest } from '../daemon/wire/json-rpc.ts'
import { isRecord } from '../daemon/wire/json-rpc.ts'
import { PROTOCOL } from '../daemon/wire/protocol.ts'
import { findClientProcess } from './find-client-process.ts'

const ROOT_PREFIX = 'SCRUM4ME_REPO_ROOT_'

/** Who this session is, for every daemon it will meet. */
export async function composeHello(
  env: NodeJS.ProcessEnv,
  initialize: JsonRpcRequest | undefined,
): Promise<SessionHello> {
  const client = isRecord(initialize?.params?.clientInfo) ? initialize.params.clientInfo : {}
  const connectionId = `${process.pid}-${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`
  const repoRoots: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) {
    if (name.startsWith(ROOT_PREFIX) && value) repoRoots[name.slice(ROOT_PREFIX.length)] = value
  }
  return {
    role: 'session',
    protocol: PROTOCOL,
    version: VERSION,
    connectionId,
    sessionId: env.CLAUDE_CODE_SESSION_ID?.slice(0, 128) || `shim-${connectionId}`,
    pid: process.pid,
    clientProcess: await findClientProcess(process.ppid),
    clientName: text(client.name),
    clientVersion: text(client.version),
    cwd: workingDirectory(env),
    repoRoots,
    sshAuthSock: env.SSH_AUTH_SOCK || null,
  }
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value.slice(0, 128) : null
}

/** The directory we were started in may be gone by now. */
function workingDirectory(env: NodeJS.ProcessEnv): string {
  try {
    return process.cwd()
  } catch {
    return env.CLAUDE_PROJECT_DIR || env.PWD || '/'
  }
}
