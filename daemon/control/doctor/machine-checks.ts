import { lstat, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../../config/config.ts'
import type { RepoRoots } from '../../config/repo-roots.ts'
import { codeOf, toDaemonError } from '../../errors.ts'
import { checkHome } from '../../ipc/check-home.ts'
import { bytesText } from '../../status/bytes-text.ts'
import type { Git } from '../../worktrees/git/git.ts'
import type { Repository } from '../../worktrees/git/repository.ts'
import { nearest } from '../../worktrees/nearest.ts'
import { type Check, fail, ok, warn, within } from './check.ts'
import { cloneChecks } from './clone-checks.ts'

const QUICK_MS = 10_000
/** Of git 2: `worktree list` tells of locks since then, by which we know our worktrees. */
const LEAST_MINOR = 31
/** Of git 2: the oldest that all of this was tried with. */
const TRIED_MINOR = 39

/**
 * What this process finds on this machine, with its own user, PATH and permissions: run inside the daemon
 * it speaks for the daemon, run by the CLI for what the daemon would find.
 */
export async function machineChecks(
  config: Config,
  roots: RepoRoots,
  git: Git,
  /** Hears of each clone whose origin answered. */
  onAnswered: (clone: Repository) => void = () => undefined,
): Promise<readonly Check[]> {
  const parts = await Promise.all([
    within('configuration', QUICK_MS, () => configurationCheck(roots)),
    within('permissions', QUICK_MS, () => permissionChecks(config)),
    within('disk', QUICK_MS, () => diskChecks(config)),
    within('git', QUICK_MS, () => gitCheck(git)),
    cloneChecks(roots, git, onAnswered),
  ])
  return parts.flat()
}

async function configurationCheck(roots: RepoRoots): Promise<Check> {
  const { warnings } = await roots.read()
  if (warnings.length === 0) return ok('configuration', 'valid')
  return warn(
    'configuration',
    warnings.join('; '),
    'Correct the agent configuration; it is read again at every claim.',
  )
}

async function permissionChecks({ paths, worktreeDir }: Config): Promise<readonly Check[]> {
  const home = await homeCheck(paths.home)
  const env = await lstat(paths.envFile).then(
    () => envFileCheck(paths.envFile),
    () => undefined,
  )
  return [home, ...(env === undefined ? [] : [env]), await worktreeDirCheck(worktreeDir)]
}

async function homeCheck(home: string): Promise<Check> {
  try {
    await checkHome(home)
    return ok('home', `${home}, mode 0${modeOf(await stat(home))}`)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') {
      return warn('home', `${home} does not exist yet`, 'The first start makes it.')
    }
    const { message, remedy } = toDaemonError(error)
    return fail('home', message, remedy)
  }
}

async function envFileCheck(path: string): Promise<Check> {
  const name = 'daemon.env'
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) {
    return fail(name, `${path} leads nowhere`, 'Replace it by a file of your own, mode 0600.')
  }
  const mode = modeOf(found)
  if (found.uid !== process.getuid?.()) {
    return fail(name, `${path} belongs to uid ${found.uid}`, `Run \`chown $(id -u) ${path}\`.`)
  }
  if ((found.mode & 0o077) === 0) return ok(name, `${path}, mode 0${mode}`)
  return fail(name, `${path} is open to others (0${mode})`, `Run \`chmod 600 ${path}\`.`)
}

function modeOf({ mode }: { mode: number }): string {
  return (mode & 0o777).toString(8)
}

/** A write, not `access`: a read-only mount and a hardened unit say no only then. Leaves nothing behind. */
async function worktreeDirCheck(directory: string): Promise<Check> {
  const existing = await nearest(directory)
  const probe = join(existing, `.scrum4me-probe-${process.pid}`)
  try {
    await writeFile(probe, '')
    await rm(probe)
    return ok(
      'worktrees',
      existing === directory ? `${directory} is writable` : `${directory} can be made in ${existing}`,
    )
  } catch (error) {
    return fail(
      'worktrees',
      `${existing} cannot be written (${codeOf(error) ?? 'unknown'})`,
      'Make it writable for the daemon’s user, or set SCRUM4ME_AGENT_WORKTREE_DIR; under a system unit, `install --system` again.',
    )
  }
}

async function diskChecks({ worktreeDir, paths, minFreeDiskBytes }: Config): Promise<readonly Check[]> {
  const checks: Check[] = []
  for (const [name, path, what] of [
    ['disk (worktrees)', worktreeDir, 'no job is claimed'],
    ['disk (home)', paths.home, 'claims, reports and the log are kept there'],
  ] as const) {
    const { bavail, bsize } = await statfs(await nearest(path))
    const free = bavail * bsize
    const text = `${bytesText(free)} free`
    checks.push(
      free >= minFreeDiskBytes
        ? ok(name, text)
        : fail(
            name,
            `${text}, below the floor of ${bytesText(minFreeDiskBytes)}: ${what}`,
            'Make room (`scrum4me-daemon worktrees` lists what is kept), or lower SCRUM4ME_MIN_FREE_DISK_BYTES.',
          ),
    )
  }
  return checks
}

async function gitCheck(git: Git): Promise<Check> {
  const found = await git.text({ dir: '/', deadlineMs: QUICK_MS }, '--version').catch(() => undefined)
  if (found === undefined) {
    return fail(
      'git',
      'not found on the daemon’s PATH',
      'Install git (on macOS: `xcode-select --install`); under a service run `install` again.',
    )
  }
  const [, major, minor] = /(\d+)\.(\d+)/.exec(found) ?? []
  const isBefore = (least: number) => Number(major) < 2 || (Number(major) === 2 && Number(minor) < least)
  if (isBefore(LEAST_MINOR)) return fail('git', found, `Version 2.${LEAST_MINOR} or later is needed.`)
  if (!isBefore(TRIED_MINOR)) return ok('git', found)
  return warn('git', `${found}, older than any this was tried with`, `Install 2.${TRIED_MINOR} or later.`)
}
