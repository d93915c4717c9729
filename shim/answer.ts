import type { JsonRpcRequest, RequestId } from '../daemon/wire/json-rpc.ts'

export function resultLine(id: RequestId, resultJson: string): string {
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${resultJson}}`
}

export function errorLine(id: RequestId | null, code: number, message: string): string {
  return JSON.stringify({ jsonrpc: '2.0', id, error: { code, message } })
}

/** A failure in the contract's form (`CODE: sentence. Remedy.`): of a tool call a result that a model reads. */
export function failureLine(request: JsonRpcRequest, text: string): string {
  return request.method === 'tools/call'
    ? resultLine(request.id, JSON.stringify({ isError: true, content: [{ type: 'text', text }] }))
    : errorLine(request.id, -32000, text)
}
