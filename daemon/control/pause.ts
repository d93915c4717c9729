import type { ControlMethod } from './control-method.ts'

/** Stops claiming on this machine, also across restarts; running jobs go on. */
export const pauseMethod: ControlMethod = {
  name: 'pause',
  async call(_params, context) {
    await context.daemon.pause(true)
    return { paused: true }
  },
}

export const resumeMethod: ControlMethod = {
  name: 'resume',
  async call(_params, context) {
    await context.daemon.pause(false)
    return { paused: false }
  },
}
