import { execFile } from 'node:child_process'
import { codeOf } from '../../errors.ts'

export interface ToolResult {
  /** `missing`: there is no such program here. */
  readonly code: number | 'missing'
  readonly stdout: string
  readonly stderr: string
}

const DEADLINE_MS = 180_000
/** `launchctl print` of a whole session is long. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024

/** Runs a program of the supervisor's to its end; a non-zero exit is an answer, not an exception. */
export function runTool(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  timeout: number = DEADLINE_MS,
): Promise<ToolResult> {
  const own: NodeJS.ProcessEnv = { PATH: env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', SYSTEMD_COLORS: '0' }
  // How a user's manager is reached.
  for (const name of ['HOME', 'USER', 'XDG_RUNTIME_DIR', 'DBUS_SESSION_BUS_ADDRESS']) {
    if (env[name] !== undefined) own[name] = env[name]
  }
  return new Promise((resolve) => {
    execFile(
      command,
      [...args],
      { env: own, timeout, maxBuffer: MAX_OUTPUT_BYTES },
      (error, stdout, stderr) => {
        if (error === null) resolve({ code: 0, stdout, stderr })
        else if (codeOf(error) === 'ENOENT') resolve({ code: 'missing', stdout, stderr })
        else resolve({ code: typeof error.code === 'number' ? error.code : 1, stdout, stderr })
      },
    )
  })
}
