import type { ControlMethod } from './control-method.ts'
import { databaseChecks } from './doctor/database-checks.ts'
import { machineChecks } from './doctor/machine-checks.ts'

/** `{ checks[] }`, looked at from inside the daemon: its user, its PATH, its keys. */
export const doctorMethod: ControlMethod = {
  name: 'doctor',
  async call(_params, context) {
    const [database, machine] = await Promise.all([
      databaseChecks(context),
      machineChecks(context.config, context.repoRoots, context.git, (clone) =>
        context.worktrees.fetchFailures.answered(clone),
      ),
    ])
    return { checks: [...database, ...machine] }
  },
}
