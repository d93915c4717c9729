import { lstat, readFile } from 'node:fs/promises'
import { codeOf } from '../errors.ts'

/** What is wrong with one setting or file: its name, what it should be, what to do. */
export interface ConfigFault {
  readonly name: string
  readonly expected: string
  readonly remedy: string
}

export interface EnvFile {
  readonly values: ReadonlyMap<string, string>
  readonly faults: readonly ConfigFault[]
}

/**
 * Reads `daemon.env`. It holds secrets, so a file that others own is a fault and none of its values is read;
 * one that others may read is a fault too, and its values are there only to be checked in the same go.
 * A missing file is an empty one; so is one in a home that cannot be entered, of which the home's own check tells.
 */
export async function readEnvFile(path: string): Promise<EnvFile> {
  let text: string
  let open: ConfigFault | undefined
  try {
    const stat = await lstat(path)
    const fault = accessFault(path, stat)
    if (fault !== undefined) return { values: new Map(), faults: [fault] }
    open = modeFault(path, stat)
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (isOutOfSight(error)) return { values: new Map(), faults: [] }
    const fault = {
      name: path,
      expected: `a readable file (${codeOf(error) ?? 'it cannot be read'})`,
      remedy: `Make it yours: \`chown $(id -u) ${path}; chmod 600 ${path}\`.`,
    }
    return { values: new Map(), faults: [fault] }
  }
  const { values, faults } = parseEnvFile(text, path)
  return { values, faults: open === undefined ? faults : [open, ...faults] }
}

function isOutOfSight(error: unknown): boolean {
  const code = codeOf(error)
  if (code === 'ENOENT' || code === 'ENOTDIR') return true
  return code === 'EACCES' && error instanceof Error && 'syscall' in error && error.syscall === 'lstat'
}

function accessFault(path: string, stat: { isFile(): boolean; uid: number }): ConfigFault | undefined {
  if (!stat.isFile()) {
    return { name: path, expected: 'a regular file', remedy: 'Replace it by a file of your own, mode 0600.' }
  }
  const uid = process.getuid?.()
  if (uid !== undefined && stat.uid !== uid) {
    return {
      name: path,
      expected: `a file owned by uid ${uid}; it belongs to uid ${stat.uid}`,
      remedy: `Run the daemon as the owner of its home, or \`chown ${uid} ${path}\`.`,
    }
  }
  return undefined
}

function modeFault(path: string, { mode }: { mode: number }): ConfigFault | undefined {
  if ((mode & 0o077) === 0) return undefined
  return {
    name: path,
    expected: `mode 0600, because it holds secrets; it is 0${(mode & 0o777).toString(8)}`,
    remedy: `Run \`chmod 600 ${path}\`.`,
  }
}

/** `NAME=value` lines, optionally after `export`, optionally quoted; `#` starts a comment line. */
export function parseEnvFile(text: string, path: string): EnvFile {
  const values = new Map<string, string>()
  const faults: ConfigFault[] = []
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const match = /^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$/.exec(line)
    const name = match?.[1]
    const value = match?.[2]
    if (name === undefined || value === undefined) {
      // The line itself may be a secret pasted without its name, so it is not repeated.
      faults.push({
        name: `${path} line ${index + 1}`,
        expected: 'NAME=value',
        remedy: 'Correct or remove the line.',
      })
      continue
    }
    values.set(name, unquote(value))
  }
  return { values, faults }
}

function unquote(value: string): string {
  const quote = value[0]
  if (value.length >= 2 && (quote === '"' || quote === "'") && value.endsWith(quote)) {
    const inner = value.slice(1, -1)
    return quote === '"' ? inner.replace(/\\(["\\$`])/g, '$1') : inner
  }
  return value
}

/** One line of `daemon.env`; quoted when the value would not survive bare. */
export function formatEnvLine(name: string, value: string): string {
  if (/^[A-Za-z0-9_./:@%+,=?&~-]*$/.test(value)) return `${name}=${value}`
  return `${name}="${value.replace(/["\\$`]/g, '\\$&')}"`
}
