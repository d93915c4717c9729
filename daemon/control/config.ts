import type { ControlMethod } from './control-method.ts'

/** What the running daemon's settings are and where each comes from; secrets masked. */
export const configMethod: ControlMethod = {
  name: 'config',
  async call(_params, context) {
    return { settings: context.settings }
  },
}
