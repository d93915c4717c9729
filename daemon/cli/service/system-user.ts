import { join, resolve } from 'node:path'
import { DaemonError } from '../../errors.ts'
import { resolvePaths } from '../../paths.ts'
import type { Invocation } from '../invocation.ts'
import { runTool } from './run-tool.ts'

export interface SystemUser {
  readonly name: string
  readonly uid: number
  readonly gid: number
  /** Environment and paths as that user would have them. */
  readonly env: NodeJS.ProcessEnv
  readonly paths: Invocation['paths']
}

/**
 * Whom a system service serves: `--run-as`, or who called sudo. Its home is that user's, not root's, and
 * root's own settings do not count for it.
 */
export async function systemUser(
  { env, home }: Invocation,
  runAs: string | undefined,
  ownName: string,
): Promise<SystemUser> {
  if (process.platform === 'darwin') {
    throw new DaemonError(
      'VALIDATION_ERROR',
      'There is no system service on macOS: the daemon belongs to a user',
      'Leave --system out.',
    )
  }
  const name = [runAs, env.SUDO_USER, ownName].find((one) => one !== undefined && one !== 'root')
  if (name === undefined) {
    throw new DaemonError(
      'VALIDATION_ERROR',
      'A system service needs a user whose agents it serves; root is not a good one',
      'Name it: `scrum4me-daemon install --system --run-as <user>`.',
    )
  }
  const { code, stdout } = await runTool('getent', ['passwd', name], env, 10_000)
  const [, , uid, gid, , userHome] = code === 0 ? stdout.trim().split(':') : []
  if (userHome === undefined || !userHome.startsWith('/')) {
    throw new DaemonError('NOT_FOUND', `There is no user ${name} here`, 'Nothing was installed.')
  }
  const standard = join(userHome, '.scrum4me')
  const chosen = home === undefined ? standard : resolve(home)
  return {
    name,
    uid: Number(uid),
    gid: Number(gid),
    env: { PATH: env.PATH, HOME: userHome },
    paths: { ...resolvePaths({}, { home: chosen }), isDefaultHome: chosen === standard },
  }
}
