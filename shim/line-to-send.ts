import { isRecord, type JsonRpcRequest } from '../daemon/wire/json-rpc.ts'
import { WAITED_MS } from '../daemon/wire/protocol.ts'

/** Below it a call counts as sent at once, ms. */
const AT_ONCE_MS = 1_000
/** Calls that wait are short; what is long is not written anew, because it might come out longer. Characters. */
const MAX_LINE = 10_000

/**
 * What a daemon is to read of a call that the client wrote as `line`, now that the client has waited so long for its
 * answer: the same, and the time.
 */
export function lineToSend(request: JsonRpcRequest, line: string, waitedMs: number): string {
  const { method, params } = request
  if (method !== 'tools/call' || waitedMs < AT_ONCE_MS || line.length > MAX_LINE) return line
  const meta = isRecord(params?._meta) ? params._meta : {}
  return JSON.stringify({
    ...request,
    params: { ...params, _meta: { ...meta, [WAITED_MS]: Math.round(waitedMs) } },
  })
}
