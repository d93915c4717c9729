import type { Paths } from '../paths.ts'

/** The daemon of one home as its supervisor knows it. */
export interface InstalledService {
  readonly kind: 'systemd' | 'launchd'
  /** `scrum4me-daemon.service`, `com.scrum4me.daemon`. */
  readonly name: string
  readonly scope: 'user' | 'system'
  start(): Promise<void>
  stop(): Promise<void>
  /** Starts it again at once, also while the supervisor waits before doing so. */
  restart(): Promise<void>
}

/** The installed service of this home, or undefined. */
export async function findService(_paths: Paths): Promise<InstalledService | undefined> {
  return undefined
}
