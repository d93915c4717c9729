import { randomUUID } from 'node:crypto'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import { isRequestId, type RequestId } from '../wire/json-rpc.ts'

/**
 * What this end asks of one client (pings and the like). The SDK numbers these requests from 0 for every
 * connection, while a client outlives many connections and daemons and sees one stream of them. So on the
 * socket their ids are `<random, once per connection>:<n>`, and an answer counts once, for the one that asked.
 */
export class OwnRequests {
  readonly #prefix = `${randomUUID()}:`
  /** Without an answer, by their id on the socket. The SDK cancels those that time out. */
  readonly #unanswered = new Map<unknown, RequestId>()

  /** The message as it goes out; all but our own requests and their cancellation is returned as it is. */
  outgoing(message: JSONRPCMessage): JSONRPCMessage {
    if (!('method' in message)) return message
    if ('id' in message) {
      const id = `${this.#prefix}${message.id}`
      this.#unanswered.set(id, message.id)
      return { ...message, id }
    }
    const asked = message.params?.requestId
    if (message.method !== 'notifications/cancelled' || !isRequestId(asked)) return message
    const requestId = `${this.#prefix}${asked}`
    this.#unanswered.delete(requestId)
    return { ...message, params: { ...message.params, requestId } }
  }

  /** The message under the id that the SDK knows; undefined: an answer to nothing that this connection waits for. */
  incoming(message: JSONRPCMessage): JSONRPCMessage | undefined {
    if ('method' in message) return message
    const id = this.#unanswered.get(message.id)
    this.#unanswered.delete(message.id)
    return id === undefined ? undefined : { ...message, id }
  }
}
