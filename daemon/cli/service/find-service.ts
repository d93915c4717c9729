import type { Invocation } from '../invocation.ts'
import { LaunchdService } from './launchd.ts'
import { renderPlist, renderSystemUnit, renderUserUnit } from './render.ts'
import type { Service } from './service.ts'
import { SystemdService } from './systemd.ts'

type For = Pick<Invocation, 'env' | 'paths'>

/** The service this home would have on this machine, installed or not. */
export function serviceFor(
  invocation: For,
  scope: 'user' | 'system',
  systemUser: () => string,
  platform: NodeJS.Platform = process.platform,
): Service {
  if (platform === 'darwin') return new LaunchdService(invocation, () => renderPlist(invocation))
  return new SystemdService(invocation, {
    scope,
    render: () =>
      scope === 'system' ? renderSystemUnit(invocation, systemUser()) : renderUserUnit(invocation),
  })
}

/** The installed service of this home, or undefined. A system unit counts only if it is for this home. */
export async function findService(invocation: For): Promise<Service | undefined> {
  for (const scope of process.platform === 'darwin' ? (['user'] as const) : (['user', 'system'] as const)) {
    const service = serviceFor(invocation, scope, () => process.env.USER ?? 'root')
    const text = await service.installed()
    if (text?.includes(invocation.paths.home)) return service
  }
  return undefined
}
