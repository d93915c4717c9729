import { VERSION } from '../version.ts'
import type { ControlMethod } from './control-method.ts'

/** Says that the daemon answers, and of which release and process it is. */
export const pingMethod: ControlMethod = {
  name: 'ping',
  call: async () => ({ version: VERSION, pid: process.pid }),
}
