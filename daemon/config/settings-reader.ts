import { isAbsolute, join, normalize } from 'node:path'
import type { ConfigFault } from './env-file.ts'

export type SettingSource = 'environment' | 'daemon.env' | 'default' | '--home'

/** One effective setting as people may see it: secrets are masked. */
export interface SettingValue {
  readonly name: string
  readonly value: string
  readonly source: SettingSource
  /** What it should be instead. */
  readonly fault?: string
  /** The name means nothing to the daemon, which ignores it; its value may be a secret and is not shown. */
  readonly unknown?: true
}

const MAX_SHOWN = 200

/**
 * Reads settings one by one (environment before file before default), checks each against its shape,
 * and collects all faults instead of stopping at the first. Values of secrets never enter a fault.
 */
export class SettingsReader {
  readonly faults: ConfigFault[] = []
  readonly values: SettingValue[] = []
  readonly #env: NodeJS.ProcessEnv
  readonly #file: ReadonlyMap<string, string>
  readonly #userHome: string
  readonly #asked = new Set<string>()

  constructor(env: NodeJS.ProcessEnv, file: ReadonlyMap<string, string>, userHome: string) {
    this.#env = env
    this.#file = file
    this.#userHome = userHome
  }

  /** An empty value is the same as none: shells and unit files leave such things behind. */
  raw(name: string): { text: string; source: SettingSource } | undefined {
    this.#asked.add(name)
    const fromEnv = this.#env[name]
    if (fromEnv !== undefined && fromEnv !== '') return { text: fromEnv, source: 'environment' }
    const fromFile = this.#file.get(name)
    if (fromFile !== undefined && fromFile !== '') return { text: fromFile, source: 'daemon.env' }
    return undefined
  }

  /** Names set anywhere that begin with `prefix`. */
  names(prefix: string): string[] {
    const all = new Set([...Object.keys(this.#env), ...this.#file.keys()])
    return [...all].filter((name) => name.startsWith(prefix) && name.length > prefix.length).sort()
  }

  /** Names in daemon.env that nothing has asked for. */
  unknown(): string[] {
    return [...this.#file.keys()].filter((name) => !this.#asked.has(name)).sort()
  }

  note(name: string, value: string, source: SettingSource): void {
    this.values.push({ name, value, source })
  }

  fault(name: string, expected: string, remedy: string): void {
    this.faults.push({ name, expected, remedy })
  }

  /** A setting that is shown as it stands there, with what is wrong about it. */
  #wrong(name: string, text: string, source: SettingSource, expected: string, remedy: string): void {
    this.values.push({ name, value: text.slice(0, MAX_SHOWN), source, fault: `expected ${expected}` })
    this.fault(name, expected, remedy)
  }

  integer(name: string, fallback: number, min: number, max: number, unit: string): number {
    const found = this.raw(name)
    if (found === undefined) {
      this.note(name, String(fallback), 'default')
      return fallback
    }
    const value = /^\d{1,16}$/.test(found.text.trim()) ? Number(found.text) : Number.NaN
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      this.#wrong(
        name,
        found.text,
        found.source,
        `an integer from ${min} to ${max} (${unit})`,
        `Set it within the bounds, or remove it for ${fallback}.`,
      )
      return fallback
    }
    this.note(name, String(value), found.source)
    return value
  }

  oneOf<T extends string>(name: string, choices: readonly T[], fallback: T): T {
    const found = this.raw(name)
    if (found === undefined) {
      this.note(name, fallback, 'default')
      return fallback
    }
    const choice = choices.find((candidate) => candidate === found.text.trim().toLowerCase())
    if (choice === undefined) {
      this.#wrong(
        name,
        found.text,
        found.source,
        `one of ${choices.join(', ')}`,
        `Set it to one of these, or remove it for ${fallback}.`,
      )
      return fallback
    }
    this.note(name, choice, found.source)
    return choice
  }

  path(name: string, fallback: string): string {
    const found = this.raw(name)
    if (found === undefined) {
      this.note(name, fallback, 'default')
      return fallback
    }
    return this.absolute(name, found.text, found.source) ?? fallback
  }

  /** An absolute path, `~/` allowed; undefined and a fault otherwise. */
  absolute(name: string, text: string, source: SettingSource): string | undefined {
    const path = text.startsWith('~/') ? join(this.#userHome, text.slice(2)) : text
    if (!isAbsolute(path) || path.includes('\0') || Buffer.byteLength(path) > 4000) {
      this.#wrong(name, text, source, 'an absolute path', 'Write the whole path, beginning with / or ~/.')
      return undefined
    }
    const clean = normalize(path)
    this.note(name, clean, source)
    return clean
  }

  secret(name: string, unset: string, check: (text: string) => ConfigFault | undefined): string | undefined {
    const found = this.raw(name)
    if (found === undefined) {
      this.note(name, unset, 'default')
      return undefined
    }
    const fault = check(found.text)
    if (fault !== undefined) {
      this.values.push({ name, value: '***', source: found.source, fault: `expected ${fault.expected}` })
      this.faults.push(fault)
      return undefined
    }
    return found.text
  }
}
