import { execFile } from 'node:child_process'
import { homedir } from 'node:os'

export interface GitResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** git without hooks, fsmonitor, prompts or our secrets; killed after `timeout` ms. */
export function runGit(cwd: string, args: readonly string[], timeout: number): Promise<GitResult> {
  const env: NodeJS.ProcessEnv = {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    HOME: homedir(),
    LC_ALL: 'C',
    GIT_TERMINAL_PROMPT: '0',
    GIT_SSH_COMMAND: 'ssh -oBatchMode=yes -oConnectTimeout=10',
  }
  if (process.env.SSH_AUTH_SOCK !== undefined) env.SSH_AUTH_SOCK = process.env.SSH_AUTH_SOCK
  const safe = ['core.hooksPath=/dev/null', 'core.fsmonitor=false', 'protocol.ext.allow=never', 'gc.auto=0']
  const options = safe.flatMap((setting) => ['-c', setting])
  return new Promise((resolve) => {
    execFile('git', [...options, ...args], { cwd, env, timeout }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
      const late = error?.killed === true ? `no answer within ${timeout / 1000} s` : ''
      resolve({ code, stdout, stderr: late || stderr.trim() || (error?.message ?? '') })
    })
  })
}
