import { isRecord } from './json-rpc.ts'

/** What the CLI asks a running daemon, on a control connection. One reply per request, by id. */
export interface ControlRequest {
  readonly id: number
  /** One of the methods in `daemon/control/`. */
  readonly method: string
  readonly params: unknown
}

export type ControlReply =
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | {
      readonly id: number
      readonly ok: false
      readonly error: { readonly code: string; readonly message: string; readonly remedy: string }
    }

export function isControlRequest(data: unknown): data is ControlRequest {
  if (!isRecord(data)) return false
  return Number.isSafeInteger(data.id) && typeof data.method === 'string' && data.method.length <= 128
}
