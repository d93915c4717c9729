import {
  isJSONRPCErrorResponse,
  isJSONRPCNotification,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
} from '@modelcontextprotocol/sdk/types.js'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isNotification, isRequest, isResponse } from '../../daemon/wire/json-rpc.ts'

const odd = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom(1.5, 0, -1, '', null, 2 ** 60))
const call = { jsonrpc: '2.0', method: 'ping', params: {} }
const sound = fc.constantFrom(
  { ...call, id: 1 },
  call,
  { jsonrpc: '2.0', id: 1, result: {} },
  { jsonrpc: '2.0', id: 1, error: { code: 1, message: 'm' } },
)
/** Sound messages with up to two members replaced or added. */
const message = fc
  .tuple(
    sound,
    fc.dictionary(fc.constantFrom('jsonrpc', 'id', 'method', 'params', 'result', 'error', 'other'), odd, {
      maxKeys: 2,
    }),
    fc.option(fc.record({ progressToken: odd }), { freq: 8, nil: undefined }),
  )
  .map(([base, over, meta]): unknown => ({
    ...base,
    ...over,
    ...(meta !== undefined && 'method' in base ? { params: { _meta: meta } } : {}),
  }))

/** What passes our check must never be ignored in silence by the SDK behind it, and the other way round. */
test('a message passes exactly when the SDK takes it', () => {
  let passed = 0
  fc.assert(
    fc.property(message, (value) => {
      expect(isRequest(value)).toBe(isJSONRPCRequest(value))
      expect(isNotification(value)).toBe(isJSONRPCNotification(value))
      expect(isResponse(value)).toBe(isJSONRPCResultResponse(value) || isJSONRPCErrorResponse(value))
      if (isRequest(value) || isNotification(value) || isResponse(value)) passed += 1
    }),
    { numRuns: 10_000 },
  )
  expect(passed).toBeGreaterThan(1_000)
})

test('every ordinary message passes', () => {
  expect(
    isRequest({
      jsonrpc: '2.0',
      id: 0,
      method: 'tools/call',
      params: { name: 'x', _meta: { progressToken: 0 } },
    }),
  ).toBe(true)
  expect(isRequest({ method: 'ping', jsonrpc: '2.0', id: 'a' })).toBe(true)
  expect(isNotification({ jsonrpc: '2.0', method: 'notifications/initialized' })).toBe(true)
  expect(isResponse({ jsonrpc: '2.0', id: 1, result: {} })).toBe(true)
  expect(isResponse({ jsonrpc: '2.0', id: 1, error: { code: -32000, message: 'no', data: [1] } })).toBe(true)
  expect(isNotification({ jsonrpc: '2.0', method: 'x', id: 1 })).toBe(false)
})
