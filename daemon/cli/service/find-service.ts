import { userInfo } from 'node:os'
import type { Invocation } from '../invocation.ts'
import { LaunchdService } from './launchd.ts'
import { renderPlist, renderSystemUnit, renderUserUnit } from './render.ts'
import type { Service } from './service.ts'
import { SystemdService } from './systemd.ts'

type For = Pick<Invocation, 'env' | 'paths'>

/** This user's service, installed or not. */
export function userService(invocation: For, platform: NodeJS.Platform = process.platform): Service {
  if (platform === 'darwin') return new LaunchdService(invocation, () => renderPlist(invocation))
  return new SystemdService(invocation, { scope: 'user', render: () => renderUserUnit(invocation) })
}

/** The system's service for `user`, whose home and environment `invocation` carries; installed or not. */
export function systemService(invocation: For, user: string): Service {
  return new SystemdService(invocation, {
    scope: 'system',
    render: () => renderSystemUnit(invocation, user),
  })
}

/** The installed service of this home, or undefined. */
export async function findService(invocation: For): Promise<Service | undefined> {
  const candidates = [userService(invocation)]
  if (process.platform !== 'darwin') candidates.push(systemService(invocation, userInfo().username))
  for (const service of candidates) {
    const text = await service.installed()
    if (text !== undefined && service.isOurs(text)) return service
  }
  return undefined
}
