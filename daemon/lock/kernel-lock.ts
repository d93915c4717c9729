import { spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { codeOf, DaemonError } from '../errors.ts'

/**
 * An advisory lock that the kernel releases when its holder dies. `flock` locks an open file
 * description; we open the file, a short-lived helper locks our descriptor, and the lock stays ours
 * after the helper has gone. The file is never deleted.
 */
export interface KernelLock {
  /** Of the locked file. */
  readonly identity: FileIdentity
  /** True while the locked file is still the one at its path. */
  isCurrent(): Promise<boolean>
  release(): Promise<void>
}

export interface FileIdentity {
  readonly dev: string
  readonly ino: string
}

/** `takeKernelLock`, here or in another process. */
export type TakeLock = (file: string, options?: KernelLockOptions) => Promise<KernelLock | null>

export interface KernelLockOptions {
  /** How long to wait for another holder, seconds; 0: do not wait. */
  readonly waitSeconds?: number
  readonly signal?: AbortSignal
}

/** Takes the lock, or returns null when another holds it for all of `waitSeconds`. */
export async function takeKernelLock(
  file: string,
  options: KernelLockOptions = {},
): Promise<KernelLock | null> {
  for (;;) {
    const handle = await open(file, constants.O_RDWR | constants.O_CREAT, 0o600)
    let kept = false
    try {
      if (!(await lockDescriptor(handle.fd, options))) return null
      // Between open and lock the file may have been replaced; then the lock guards nothing.
      const { dev, ino } = await handle.stat({ bigint: true })
      const identity = { dev: String(dev), ino: String(ino) }
      if (await isFileAt(identity, file)) {
        kept = true
        return { identity, isCurrent: () => isFileAt(identity, file), release: () => handle.close() }
      }
    } finally {
      if (!kept) await handle.close()
    }
  }
}

/** Whether the file at this path is that one. */
export async function isFileAt({ dev, ino }: FileIdentity, path: string): Promise<boolean> {
  try {
    const there = await stat(path, { bigint: true })
    return String(there.ino) === ino && String(there.dev) === dev
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

// Linux and most BSD userlands have flock(1); macOS has perl, which reaches the same system call.
const HELPERS = [
  { command: 'flock', args: (wait: number) => (wait > 0 ? ['-w', String(wait), '3'] : ['-n', '3']) },
  {
    command: 'perl',
    args: (wait: number) => [
      '-e',
      // 1: held by another; 9: the file system has no locks.
      'open(F,">&=",3) or exit 9; my $w=shift; if(!$w){exit(flock(F,6)?0:$!{EWOULDBLOCK}?1:9)} $SIG{ALRM}=sub{exit 1}; alarm $w; exit(flock(F,2)?0:$!{EINTR}?1:9)',
      String(wait),
    ],
  },
]

async function lockDescriptor(fd: number, options: KernelLockOptions): Promise<boolean> {
  const wait = Math.ceil(options.waitSeconds ?? 0)
  for (const helper of HELPERS) {
    const code = await exitCode(helper.command, helper.args(wait), fd, options.signal)
    if (code === 'missing') continue
    if (code === 0) return true
    if (code === 1) return false
    throw new DaemonError(
      'INTERNAL',
      `${helper.command} could not lock a file (exit ${code})`,
      'The file system must support flock; put the home on a local disk.',
    )
  }
  throw new DaemonError(
    'INTERNAL',
    'Neither flock nor perl is on the PATH, so files cannot be locked',
    'Install util-linux (flock) or perl, then start the daemon again.',
  )
}

function exitCode(
  command: string,
  args: string[],
  fd: number,
  signal: AbortSignal | undefined,
): Promise<number | 'missing'> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'ignore', 'ignore', fd],
      env: { PATH: process.env.PATH ?? '/usr/bin:/bin' },
      ...(signal === undefined ? {} : { signal }),
    })
    child.on('error', (error) => (codeOf(error) === 'ENOENT' ? resolve('missing') : reject(error)))
    child.on('exit', (code) => resolve(code ?? 9))
  })
}
