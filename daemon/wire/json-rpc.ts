/**
 * The shape of one JSON-RPC 2.0 message, checked as strictly as the MCP SDK does: a message that
 * passes here is never silently ignored there. Both ends of the socket use it.
 */
export type RequestId = string | number

export interface JsonRpcRequest {
  readonly jsonrpc: '2.0'
  readonly id: RequestId
  readonly method: string
  readonly params?: Readonly<Record<string, unknown>>
}

export interface JsonRpcNotification {
  readonly jsonrpc: '2.0'
  readonly method: string
  readonly params?: Readonly<Record<string, unknown>>
}

/** `result` or `error`; an error about a message without a readable id has none. */
export interface JsonRpcResponse {
  readonly jsonrpc: '2.0'
  readonly id?: RequestId
  readonly result?: Readonly<Record<string, unknown>>
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown }
}

/** Undefined: no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function isRequest(value: unknown): value is JsonRpcRequest {
  return isRecord(value) && isRequestId(value.id) && isCall(value, ['jsonrpc', 'id', 'method', 'params'])
}

export function isNotification(value: unknown): value is JsonRpcNotification {
  return isRecord(value) && isCall(value, ['jsonrpc', 'method', 'params'])
}

export function isResponse(value: unknown): value is JsonRpcResponse {
  if (!isRecord(value) || value.jsonrpc !== '2.0') return false
  if ('id' in value && !isRequestId(value.id)) return false
  if (isRecord(value.result)) return 'id' in value && hasOnly(value, ['jsonrpc', 'id', 'result'])
  const error = value.error
  return (
    isRecord(error) &&
    Number.isSafeInteger(error.code) &&
    typeof error.message === 'string' &&
    hasOnly(value, ['jsonrpc', 'id', 'error'])
  )
}

/** The id of whatever it is, if that is one. */
export function idOf(value: unknown): RequestId | undefined {
  return isRecord(value) && isRequestId(value.id) ? value.id : undefined
}

export function isRequestId(value: unknown): value is RequestId {
  return typeof value === 'string' || Number.isSafeInteger(value)
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCall(value: Record<string, unknown>, members: readonly string[]): boolean {
  if (value.jsonrpc !== '2.0' || typeof value.method !== 'string' || !hasOnly(value, members)) return false
  if (value.params === undefined) return true
  if (!isRecord(value.params)) return false
  const meta = value.params._meta
  if (meta === undefined) return true
  return isRecord(meta) && (meta.progressToken === undefined || isRequestId(meta.progressToken))
}

function hasOnly(value: Record<string, unknown>, members: readonly string[]): boolean {
  for (const key of Object.keys(value)) if (!members.includes(key)) return false
  return true
}
