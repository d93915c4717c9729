import { DaemonError } from '../errors.ts'
import type { ControlMethod } from './control-method.ts'
import { Params } from './params.ts'

/** Begins the ordered end and answers at once; `restart` tells sessions that the next daemon comes. */
export const stopMethod: ControlMethod = {
  name: 'stop',
  async call(params, context) {
    const reason = new Params(params).optionalText('reason', 20) ?? 'stop'
    if (reason !== 'stop' && reason !== 'restart') {
      throw new DaemonError('VALIDATION_ERROR', 'reason must be stop or restart', 'Nothing was changed.')
    }
    context.daemon.stop(reason)
    return { pid: process.pid }
  },
}
