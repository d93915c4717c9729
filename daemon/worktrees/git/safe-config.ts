/**
 * A clone may be hostile: its `.git/config` can name programs. What git would run on its own account is
 * switched off for every call; what only the clone's own configuration (not the user's) asks for is
 * neutralised by `hardening`, computed from what the clone has configured.
 */
export const SAFE_CONFIG: readonly string[] = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.askPass=',
  'protocol.ext.allow=never',
  'gc.auto=0',
  'maintenance.auto=false',
  'submodule.recurse=false',
  'fetch.recurseSubmodules=false',
  // Would run gpg.program for every signed commit that a log shows.
  'log.showSignature=false',
  // A person's git holds these locks for moments; waiting beats failing.
  'core.filesRefLockTimeout=5000',
  'core.packedRefsTimeout=10000',
]

export interface ConfigEntry {
  /** `system`, `global`, `local`, `worktree`, `command`; `unknown` for `APPLE_FILES`. */
  readonly scope: string
  /** Section and variable in lower case, subsection as written. */
  readonly key: string
  readonly value: string
  /** The file that says so, relative to where git ran, if a file does. */
  readonly file?: string
}

/** Parses `git config --list --show-scope --show-origin -z`. A key without a value reads as the empty string. */
export function parseConfig(output: string): ConfigEntry[] {
  const fields = output.split('\0')
  const entries: ConfigEntry[] = []
  for (let index = 0; index + 2 < fields.length; index += 3) {
    const [scope = '', origin = '', pair = ''] = fields.slice(index, index + 3)
    const newline = pair.indexOf('\n')
    const [key, value] = newline < 0 ? [pair, ''] : [pair.slice(0, newline), pair.slice(newline + 1)]
    const file = origin.startsWith('file:') ? { file: origin.slice('file:'.length) } : {}
    entries.push({ scope, key, value, ...file })
  }
  return entries
}

/** What Apple's git reads first, of which it says no scope. The keychain's credential helper stands there. */
export const APPLE_FILES: readonly string[] = [
  '/Library/Developer/CommandLineTools/usr/share/git-core/gitconfig',
  '/Applications/Xcode.app/Contents/Developer/usr/share/git-core/gitconfig',
]

/** What the user or the machine's owner has configured, not the clone. */
export function trustedEntries(entries: readonly ConfigEntry[]): ConfigEntry[] {
  return entries.filter(isTrusted)
}

function isTrusted({ scope, file }: ConfigEntry): boolean {
  if (scope === 'unknown') return file !== undefined && APPLE_FILES.includes(file)
  return scope === 'system' || scope === 'global'
}

const FILTER_KEY = /^filter\.(.+)\.(clean|smudge|process|required)$/s
const CREDENTIAL_KEY = /^credential\.(?:.+\.)?helper$/s

/**
 * `-c` settings that take programs away from the clone's own configuration. Filters and credential
 * helpers of the user's global configuration stay as the user set them (git-lfs, a keychain).
 */
export function hardening(entries: readonly ConfigEntry[]): string[] {
  const own = entries.filter((entry) => entry.scope === 'local' || entry.scope === 'worktree')
  const trusted = trustedEntries(entries)
  return [
    ...[...names(own, FILTER_KEY)].flatMap((name) => trustedFilter(name, own, trusted)),
    ...credentialSettings(own, trusted),
    // Lists no alternate refs, which only saves a little traffic.
    ...(own.some((entry) => entry.key === 'core.alternaterefscommand')
      ? ['core.alternateRefsCommand=true']
      : []),
  ]
}

/**
 * Why a clone cannot be used safely; null when it can. Objects that a partial clone lacks are fetched by git on its
 * own account, with the program that `remote.<name>.uploadpack` names, and the first value wins over any of ours.
 */
export function refusal(entries: readonly ConfigEntry[]): string | null {
  const uploadPack = entries.find(({ key }) => /^remote\..+\.uploadpack$/s.test(key))
  return uploadPack !== undefined && isPartialClone(entries) && !isTrusted(uploadPack)
    ? `it is a partial clone whose configuration names a program to fetch with (${uploadPack.key})`
    : null
}

/** True when git may fetch objects that the clone lacks, on its own account. */
export function isPartialClone(entries: readonly ConfigEntry[]): boolean {
  return entries.some(({ key }) => /^remote\..+\.promisor$/s.test(key))
}

/** Settings under which no filter at all runs: what is on disk is what git reads. An empty filter is the identity. */
export function withoutFilters(entries: readonly ConfigEntry[]): string[] {
  return [...names(entries, FILTER_KEY)].flatMap((name) => trustedFilter(name, entries, []))
}

/** True when any filter would run at a checkout; a failing checkout may then be tried without. */
export function hasFilters(entries: readonly ConfigEntry[]): boolean {
  return entries.some((entry) => FILTER_KEY.test(entry.key))
}

/** The filter as the trusted entries have it, whatever the others say. */
function trustedFilter(
  name: string,
  others: readonly ConfigEntry[],
  trusted: readonly ConfigEntry[],
): string[] {
  const key = (variable: string) => `filter.${name}.${variable}`
  const value = (variable: string) => trusted.findLast((entry) => entry.key === key(variable))?.value ?? ''
  // Once set, even an empty `process` keeps git from `clean` and `smudge`: then the filter is off altogether.
  const isOff = value('process') === '' && others.some((entry) => entry.key === key('process'))
  return [
    `${key('clean')}=${value('clean')}`,
    `${key('smudge')}=${value('smudge')}`,
    ...(isOff || value('process') !== '' ? [`${key('process')}=${value('process')}`] : []),
    `${key('required')}=${(!isOff && value('required')) || 'false'}`,
  ]
}

/** An empty helper clears the list that came before it, whatever its URL. */
function credentialSettings(own: readonly ConfigEntry[], trusted: readonly ConfigEntry[]): string[] {
  if (!own.some((entry) => CREDENTIAL_KEY.test(entry.key))) return []
  return [
    'credential.helper=',
    ...trusted
      .filter((entry) => CREDENTIAL_KEY.test(entry.key))
      .map((entry) => `${entry.key}=${entry.value}`),
  ]
}

function names(entries: readonly ConfigEntry[], pattern: RegExp): Set<string> {
  return new Set(entries.flatMap((entry) => pattern.exec(entry.key)?.[1] ?? []))
}
