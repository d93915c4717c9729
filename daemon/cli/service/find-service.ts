import { userInfo } from 'node:os'
import type { Invocation } from '../invocation.ts'
import { LaunchdService, type LaunchdSession } from './launchd.ts'
import { renderPlist, renderSystemUnit, renderUserUnit } from './render.ts'
import type { Service } from './service.ts'
import { launchdLabel, type ServiceName, unitName } from './service-name.ts'
import { SystemdService } from './systemd.ts'

type For = Pick<Invocation, 'env' | 'paths'>

/** This user's service, installed or not. */
export function userService(invocation: For, platform: NodeJS.Platform = process.platform): Service {
  return userServices(invocation, platform).current
}

/** The system's service for `user`, whose home and environment `invocation` carries; installed or not. */
export function systemService(invocation: For, user: string): Service {
  return systemServices(invocation, user).current
}

/** The installed service of this home, or undefined. */
export async function findService(invocation: For): Promise<Service | undefined> {
  const [first] = await findServices(invocation)
  return first
}

/** Every installed service of this home: the user's, the system's, and any that an earlier version named otherwise. */
export async function findServices(invocation: For): Promise<readonly Service[]> {
  const user = userServices(invocation, process.platform)
  const candidates = [user.current, user.former]
  if (process.platform !== 'darwin') {
    const system = systemServices(invocation, userInfo().username)
    candidates.push(system.current, system.former)
  }
  return installedOf(candidates)
}

/** As `findServices`, of one scope: `user` names whose system service is meant. */
export function findServicesOf(invocation: For, user: string | undefined): Promise<readonly Service[]> {
  const { current, former } =
    user === undefined ? userServices(invocation, process.platform) : systemServices(invocation, user)
  return installedOf([current, former])
}

interface Names {
  readonly current: Service
  /** Under the name that an earlier version gave it, where that differs. */
  readonly former: Service | undefined
}

function userServices(invocation: For, platform: NodeJS.Platform): Names {
  if (platform === 'darwin') {
    const render = (session: LaunchdSession) => renderPlist(invocation, session)
    return named(launchdLabel(invocation.paths), (name) => new LaunchdService(invocation, { name, render }))
  }
  const render = () => renderUserUnit(invocation)
  return named(
    unitName(invocation.paths),
    (name) => new SystemdService(invocation, { name, scope: 'user', render }),
  )
}

function systemServices(invocation: For, user: string): Names {
  const render = () => renderSystemUnit(invocation, user)
  return named(
    unitName(invocation.paths),
    (name) => new SystemdService(invocation, { name, scope: 'system', render }),
  )
}

function named({ name, former }: ServiceName, make: (name: string) => Service): Names {
  return { current: make(name), former: former === undefined ? undefined : make(former) }
}

async function installedOf(candidates: readonly (Service | undefined)[]): Promise<readonly Service[]> {
  const found: Service[] = []
  for (const service of candidates) {
    if (service !== undefined && (await service.installedFor()).isOurs) found.push(service)
  }
  return found
}
