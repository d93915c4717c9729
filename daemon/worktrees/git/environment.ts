/** What a child may inherit: enough to find git, the user's own configuration, keys and proxies; never a secret of ours. */
const INHERITED = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'TMPDIR',
  'XDG_CONFIG_HOME',
  // A credential helper may keep passwords in the desktop's keyring.
  'XDG_RUNTIME_DIR',
  'DBUS_SESSION_BUS_ADDRESS',
  'http_proxy',
  'https_proxy',
  'all_proxy',
  'no_proxy',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'ALL_PROXY',
  'NO_PROXY',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
]

/** Never ask, never hang: a daemon has nobody to type a password or to confirm a host key. */
const SSH_OPTIONS = '-oBatchMode=yes -oConnectTimeout=10 -oServerAliveInterval=10 -oServerAliveCountMax=3'

/** The minimal environment of any child of this part. */
export function childEnvironment(parent: NodeJS.ProcessEnv): Record<string, string> {
  const environment: Record<string, string> = { LC_ALL: 'C' }
  for (const name of INHERITED) {
    const value = parent[name]
    if (value !== undefined) environment[name] = value
  }
  environment.PATH ??= '/usr/local/bin:/usr/bin:/bin'
  return environment
}

/**
 * Added where git is asked what a remote has: a clone's `refs/replace` and `info/grafts` can give a pushed commit
 * parents that were never pushed.
 */
export const REAL_HISTORY: Readonly<Record<string, string>> = {
  GIT_NO_REPLACE_OBJECTS: '1',
  GIT_GRAFT_FILE: '/dev/null',
}

export interface GitSurroundings {
  /** The session's agent; without one the daemon's own. */
  readonly sshAuthSock?: string | null | undefined
  /** `core.sshCommand` of the user's own configuration. */
  readonly sshCommand?: string | undefined
  /** No directory from here upwards is looked at for a repository. */
  readonly ceiling?: string | undefined
}

/** The environment of git. */
export function gitEnvironment(
  parent: NodeJS.ProcessEnv,
  call: GitSurroundings = {},
): Record<string, string> {
  const environment: Record<string, string> = {
    ...childEnvironment(parent),
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: '',
    // Wins over core.sshCommand, which a clone may set.
    GIT_SSH_COMMAND: `${call.sshCommand || 'ssh'} ${SSH_OPTIONS}`,
    // Empty wins over core.gitProxy, which a clone may set and which names a program.
    GIT_PROXY_COMMAND: '',
    // The identity of commits that this daemon itself makes (saved work); never that of an agent.
    GIT_AUTHOR_NAME: 'scrum4me-daemon',
    GIT_AUTHOR_EMAIL: 'daemon@localhost',
    GIT_COMMITTER_NAME: 'scrum4me-daemon',
    GIT_COMMITTER_EMAIL: 'daemon@localhost',
  }
  if (call.ceiling !== undefined) environment.GIT_CEILING_DIRECTORIES = call.ceiling
  const sock = call.sshAuthSock || parent.SSH_AUTH_SOCK
  if (sock) environment.SSH_AUTH_SOCK = sock
  return environment
}
