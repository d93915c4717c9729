import { homedir } from 'node:os'
import { join } from 'node:path'
import { DaemonError } from '../errors.ts'
import { type Paths, relativeLocations, resolvePaths } from '../paths.ts'
import type { Redactor } from '../redact.ts'
import type { Config } from './config.ts'
import { databaseUrlFault, maskDatabaseUrl, registerUrlSecrets } from './database-url.ts'
import { type ConfigFault, readEnvFile } from './env-file.ts'
import { SettingsReader, type SettingValue } from './settings-reader.ts'

export interface LoadOptions {
  readonly env: NodeJS.ProcessEnv
  /** `--home`, which wins over SCRUM4ME_HOME. */
  readonly home?: string | undefined
  /** Learns the password and the token, before anything can log them. */
  readonly redactor: Redactor
}

export interface LoadedConfig {
  readonly config: Config
  /** Every effective setting, secrets masked, with its source; what `config` prints. */
  readonly settings: readonly SettingValue[]
}

export const REPO_ROOT_PREFIX = 'SCRUM4ME_REPO_ROOT_'
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
const LOCATIONS = ['SCRUM4ME_HOME', 'SCRUM4ME_SOCKET']
const UNKNOWN = 'no setting of the daemon, ignored (value not shown)'
const GIB = 1024 ** 3
/** A reader takes a worker for gone after 15 s (contract 3), so a beat may not be much slower than a third. */
const MAX_HEARTBEAT_SECONDS = 10

/**
 * Effective settings: environment, then `daemon.env`, then defaults (contract 2).
 * Throws one VALIDATION_ERROR that lists every fault.
 */
export async function loadConfig(options: LoadOptions): Promise<LoadedConfig> {
  const { config, settings, faults } = await inspectConfig(options)
  if (faults.length > 0) throw configError(faults)
  return { config, settings }
}

/** As `loadConfig`, with the faults beside the settings: for showing, never for running. */
export async function inspectConfig(
  options: LoadOptions,
): Promise<LoadedConfig & { readonly faults: readonly ConfigFault[] }> {
  const paths = resolvePaths(options.env, { home: options.home })
  const file = await readEnvFile(paths.envFile)
  const userHome = options.env.HOME || homedir()
  const reader = new SettingsReader(options.env, file.values, userHome)
  reader.faults.push(...file.faults)
  noteLocations(reader, paths, options, file.values)
  const config: Config = {
    paths,
    databaseUrl: databaseUrl(reader, 'DATABASE_URL', 'embedded PostgreSQL', options.redactor),
    directDatabaseUrl: databaseUrl(reader, 'DIRECT_DATABASE_URL', 'not set', options.redactor),
    token: token(reader, options.redactor),
    worktreeDir: reader.path('SCRUM4ME_AGENT_WORKTREE_DIR', join(userHome, '.scrum4me-agent-worktrees')),
    agentConfigFile: reader.path('SCRUM4ME_AGENT_CONFIG', join(userHome, '.scrum4me-agent-config.json')),
    repoRoots: repoRoots(reader),
    logLevel: reader.oneOf('SCRUM4ME_LOG_LEVEL', LOG_LEVELS, 'info'),
    presence: reader.oneOf('SCRUM4ME_PRESENCE', ['daemon', 'sessions'], 'daemon'),
    sessionGraceSeconds: reader.integer('SCRUM4ME_SESSION_GRACE_SECONDS', 300, 0, 604_800, 'seconds'),
    leaseSeconds: reader.integer('SCRUM4ME_LEASE_SECONDS', 300, 2, 86_400, 'seconds'),
    heartbeatSeconds: reader.integer('SCRUM4ME_HEARTBEAT_SECONDS', 5, 1, MAX_HEARTBEAT_SECONDS, 'seconds'),
    minFreeDiskBytes: reader.integer(
      'SCRUM4ME_MIN_FREE_DISK_BYTES',
      GIB,
      0,
      Number.MAX_SAFE_INTEGER,
      'bytes',
    ),
    salvageMaxBytes: reader.integer('SCRUM4ME_SALVAGE_MAX_BYTES', GIB, 0, Number.MAX_SAFE_INTEGER, 'bytes'),
    spareWorktrees: reader.oneOf('SCRUM4ME_SPARE_WORKTREES', ['on', 'off'], 'on') === 'on',
  }
  for (const name of reader.unknown()) {
    if (LOCATIONS.includes(name)) continue
    reader.values.push({ name, value: UNKNOWN, source: 'daemon.env', unknown: true })
  }
  return { config, settings: reader.values, faults: reader.faults }
}

function configError(faults: readonly ConfigFault[]): DaemonError {
  const lines = faults.map((fault) => `  ${fault.name}: expected ${fault.expected}. ${fault.remedy}`)
  const count = faults.length === 1 ? 'One setting is' : `${faults.length} settings are`
  return new DaemonError(
    'VALIDATION_ERROR',
    `${count} wrong; nothing was started.\n${lines.join('\n')}`,
    'Correct the environment or daemon.env; `scrum4me-daemon config` shows where each value comes from.',
  )
}

function noteLocations(
  reader: SettingsReader,
  paths: Paths,
  options: LoadOptions,
  file: ReadonlyMap<string, string>,
): void {
  const homeSource = options.home ? '--home' : options.env.SCRUM4ME_HOME ? 'environment' : 'default'
  reader.note('SCRUM4ME_HOME', paths.home, homeSource)
  reader.note('SCRUM4ME_SOCKET', paths.socket, options.env.SCRUM4ME_SOCKET ? 'environment' : 'default')
  for (const name of relativeLocations(options.env, options)) {
    reader.fault(name, 'an absolute path', 'Write the whole path, beginning with / or ~/.')
  }
  // Clients find the daemon by these two and never read daemon.env: there they would divide the two sides.
  for (const name of LOCATIONS) {
    if (!file.has(name)) continue
    reader.fault(
      `${name} in ${paths.envFile}`,
      'to stand in the environment of daemon and clients, not in daemon.env',
      'Remove the line; use --home or the environment.',
    )
  }
}

function databaseUrl(
  reader: SettingsReader,
  name: string,
  unset: string,
  redactor: Redactor,
): string | undefined {
  const url = reader.secret(name, unset, (text) => databaseUrlFault(name, text))
  if (url === undefined) return undefined
  registerUrlSecrets(url, redactor)
  reader.note(name, maskDatabaseUrl(url), reader.raw(name)?.source ?? 'default')
  return url
}

function token(reader: SettingsReader, redactor: Redactor): string | undefined {
  const name = 'SCRUM4ME_TOKEN'
  const value = reader.secret(name, 'state/token, if there is one', (text) =>
    /^[\x21-\x7e]{8,512}$/.test(text)
      ? undefined
      : {
          name,
          expected: 'an API token: 8 to 512 printable characters without spaces (value not shown)',
          remedy: 'Copy it again from Scrum4Me; `scrum4me-daemon login` asks for it and checks it.',
        },
  )
  if (value === undefined) return undefined
  redactor.add(value)
  reader.note(name, '***', reader.raw(name)?.source ?? 'default')
  return value
}

function repoRoots(reader: SettingsReader): Record<string, string> {
  const roots: Record<string, string> = Object.create(null)
  for (const name of reader.names(REPO_ROOT_PREFIX)) {
    const found = reader.raw(name)
    if (found === undefined) continue
    const path = reader.absolute(name, found.text, found.source)
    if (path !== undefined) roots[name.slice(REPO_ROOT_PREFIX.length)] = path
  }
  return roots
}
