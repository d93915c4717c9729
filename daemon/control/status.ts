import type { ControlMethod } from './control-method.ts'

/** The StatusReport; asks, never changes anything. */
export const statusMethod: ControlMethod = {
  name: 'status',
  call: (_params, context) => context.daemon.status(),
}
