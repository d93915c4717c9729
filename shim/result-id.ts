import { isRequestId, type RequestId } from '../daemon/wire/json-rpc.ts'

const HEAD = '{"result":{'
const TAIL = ',"jsonrpc":"2.0","id":'

/**
 * The id of a result in the order of members that the MCP SDK writes, found without parsing what may
 * be megabytes; undefined: parse it. `json` is one valid JSON text. Then no string in it can hold TAIL,
 * whose quotes are not escaped, and the last brace closes the whole message: so what stands between
 * TAIL and that brace is the message's own id, if it is one value.
 */
export function resultId(json: string): RequestId | undefined {
  if (!json.startsWith(HEAD)) return undefined
  const tail = json.lastIndexOf(TAIL)
  if (tail === -1) return undefined
  try {
    const id: unknown = JSON.parse(json.slice(tail + TAIL.length, -1))
    return isRequestId(id) ? id : undefined
  } catch {
    return undefined
  }
}
