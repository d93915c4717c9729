import type { JsonRpcRequest, JsonRpcResponse } from './json-rpc.ts'

/** `text` is in the contract's form, `CODE: sentence. Remedy.`: of a tool call a result, because a model reads it. */
export function failureAnswer(request: Pick<JsonRpcRequest, 'id' | 'method'>, text: string): JsonRpcResponse {
  const { id, method } = request
  return method === 'tools/call'
    ? { jsonrpc: '2.0', id, result: { isError: true, content: [{ type: 'text', text }] } }
    : { jsonrpc: '2.0', id, error: { code: -32000, message: text } }
}
