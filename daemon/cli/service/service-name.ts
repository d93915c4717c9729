import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import type { Paths } from '../../paths.ts'

/**
 * The name of one home's instance: empty for the default home, else readable and unambiguous, the same
 * for `install`, `start` and every later command.
 */
export function instanceName(paths: Pick<Paths, 'home' | 'isDefaultHome'>): string {
  if (paths.isDefaultHome) return ''
  const readable = basename(paths.home)
    .replace(/^\.+/, '')
    .replace(/[^A-Za-z0-9_-]+/g, '-')
    .slice(0, 40)
  const hash = createHash('sha256').update(paths.home).digest('hex').slice(0, 6)
  return `${readable || 'home'}-${hash}`
}

/** `scrum4me-daemon.service`, `scrum4me-daemon@work-3fa9c1.service`. */
export function unitName(paths: Pick<Paths, 'home' | 'isDefaultHome'>): string {
  const instance = instanceName(paths)
  return instance === '' ? 'scrum4me-daemon.service' : `scrum4me-daemon@${instance}.service`
}

/** `com.scrum4me.daemon`, `com.scrum4me.daemon.work-3fa9c1`. */
export function launchdLabel(paths: Pick<Paths, 'home' | 'isDefaultHome'>): string {
  const instance = instanceName(paths)
  return instance === '' ? 'com.scrum4me.daemon' : `com.scrum4me.daemon.${instance}`
}
