import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'

/**
 * A request as it came, but for `arguments: null`: clients whose language has no "left out" send it for a tool or a
 * prompt without arguments, and the SDK's schema knows only an object or nothing.
 */
export function withoutNullArguments(message: JSONRPCMessage): JSONRPCMessage {
  if (!('method' in message) || message.params?.arguments !== null) return message
  const { arguments: _none, ...params } = message.params
  return { ...message, params }
}
