import type { ClientProcess, Hello } from './hello.ts'
import { isRecord } from './json-rpc.ts'
import type { ProtocolRange } from './protocol.ts'

/** A peer's first message as a Hello, or what is wrong with it. Trusts nothing about `data`. */
export function parseHello(data: unknown): Hello | string {
  if (!isRecord(data)) return 'the hello is no object'
  const protocol = parseProtocolRange(data)
  if (protocol === undefined) return 'the hello names no protocol range'
  const version = text(data.version, 64)
  const pid = positive(data.pid)
  if (version === undefined || pid === undefined) return 'the hello names no version or pid'
  if (data.role === 'control') return { role: 'control', protocol, version, pid }
  if (data.role !== 'session') return 'the role of a hello is session or control'
  const connectionId = text(data.connectionId, 128)
  const sessionId = text(data.sessionId, 128)
  const cwd = text(data.cwd, 4096)
  if (connectionId === undefined || sessionId === undefined || cwd === undefined) {
    return 'a session hello carries connectionId, sessionId and cwd'
  }
  return {
    role: 'session',
    protocol,
    version,
    pid,
    connectionId,
    sessionId,
    cwd,
    clientProcess: parseClientProcess(data.clientProcess),
    clientName: text(data.clientName, 128) ?? null,
    clientVersion: text(data.clientVersion, 128) ?? null,
    repoRoots: parseRoots(data.repoRoots),
    sshAuthSock: text(data.sshAuthSock, 4096) ?? null,
  }
}

/**
 * The protocol range of any release's hello. Read before the rest, whose shape a later release may
 * change: such a peer must hear PROTOCOL_MISMATCH, not that its hello is malformed.
 */
export function parseProtocolRange(hello: unknown): ProtocolRange | undefined {
  const value = isRecord(hello) ? hello.protocol : undefined
  if (!isRecord(value)) return undefined
  const min = positive(value.min)
  const max = positive(value.max)
  return min === undefined || max === undefined || min > max ? undefined : { min, max }
}

function parseClientProcess(value: unknown): ClientProcess | null {
  if (!isRecord(value)) return null
  const pid = positive(value.pid)
  const startedAt = text(value.startedAt, 128)
  return pid === undefined || startedAt === undefined ? null : { pid, startedAt }
}

function parseRoots(value: unknown): Record<string, string> {
  const roots: Record<string, string> = Object.create(null)
  if (!isRecord(value)) return roots
  for (const [product, root] of Object.entries(value).slice(0, 1000)) {
    const path = text(root, 4096)
    if (path !== undefined && product.length <= 128) roots[product] = path
  }
  return roots
}

function text(value: unknown, max: number): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= max ? value : undefined
}

function positive(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : undefined
}
