import { loadConfig } from '../config/load-config.ts'
import { DaemonError, toDaemonError } from '../errors.ts'
import { ensureHome } from '../ipc/ensure-home.ts'
import { resolvePaths } from '../paths.ts'
import { Redactor } from '../redact.ts'
import { daemonEnvironment } from './detached.ts'
import type { Invocation } from './invocation.ts'
import type { Service } from './service/service.ts'

/**
 * The environment that the next daemon will have: what `start` would hand over, or, under a service, none of
 * this shell's settings.
 */
export function nextEnvironment(
  { env, paths }: Pick<Invocation, 'env' | 'paths'>,
  service: Service | undefined,
): NodeJS.ProcessEnv {
  if (service === undefined) return daemonEnvironment(env, paths)
  const settings = /^(SCRUM4ME_|DATABASE_URL$|DIRECT_DATABASE_URL$)/
  return Object.fromEntries(Object.entries(env).filter(([name]) => !settings.test(name)))
}

/**
 * Before a daemon that runs is ended for another: throws with every fault for which `run` would refuse to
 * start, and leaves the one that runs alone.
 */
export async function checkNextConfig(
  invocation: Pick<Invocation, 'env' | 'paths'>,
  service: Service | undefined,
): Promise<void> {
  const env = nextEnvironment(invocation, service)
  const { home } = invocation.paths
  try {
    await loadConfig({ env, home, redactor: new Redactor() })
    await ensureHome(resolvePaths(env, { home }))
  } catch (error) {
    const { code, message, remedy } = toDaemonError(error)
    const [first = '', ...faults] = message.split('\n')
    const left = `${first.replace(/; nothing was (started|changed)\.?$/, '')}; the daemon that runs was left alone.`
    throw new DaemonError(code, [left, ...faults].join('\n'), remedy, error)
  }
}
