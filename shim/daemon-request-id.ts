import { isRequestId, type RequestId } from '../daemon/wire/json-rpc.ts'

/** A daemon's request id as the client sees it: each daemon numbers from 0, so the connection is part of it. */
export function joinRequestId(generation: number, id: RequestId): string {
  return `${generation}:${JSON.stringify(id)}`
}

/** The daemon's own id, if the client answered a request of this very connection. */
export function splitRequestId(generation: number, id: unknown): RequestId | undefined {
  if (typeof id !== 'string' || !id.startsWith(`${generation}:`)) return undefined
  try {
    const original: unknown = JSON.parse(id.slice(id.indexOf(':') + 1))
    return isRequestId(original) ? original : undefined
  } catch {
    return undefined
  }
}
