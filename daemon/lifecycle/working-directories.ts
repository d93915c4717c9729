import { execFile } from 'node:child_process'
import { DaemonError } from '../errors.ts'

export interface StandingProcess {
  readonly pid: number
  readonly name: string
  /** A real path. */
  readonly cwd: string
}

const DEADLINE_MS = 20_000

/**
 * Working directories of running processes where there is no /proc: of `pids`, or of all that this user may see.
 * Throws when lsof cannot be asked: that nobody stands anywhere is not known then.
 */
export async function workingDirectories(pids?: readonly number[]): Promise<readonly StandingProcess[]> {
  // We stand somewhere, too: an answer without us is none. Its exit code says nothing.
  const asked = pids === undefined ? [] : ['-a', '-p', [...pids, process.pid].join(',')]
  const output = await lsof(['-w', '-n', '-P', ...asked, '-d', 'cwd', '-F', 'pcn'])
  if (!output.split('\n').includes(`p${process.pid}`)) {
    throw new DaemonError(
      'INTERNAL',
      'lsof does not tell in which directories processes stand; what may be in use was left as it is',
      'Run `/usr/sbin/lsof -d cwd` to see why.',
    )
  }
  const found = parseLsof(output)
  return pids === undefined ? found : found.filter(({ pid }) => pids.includes(pid))
}

function lsof(args: readonly string[]): Promise<string> {
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' }
  return new Promise((resolve) => {
    execFile(
      'lsof',
      args,
      { env, cwd: '/', timeout: DEADLINE_MS, maxBuffer: 64 * 1024 * 1024 },
      (_, stdout) => resolve(stdout),
    )
  })
}

/** Parses `lsof -F pcn`: one field a line, its kind in the first letter; `p` begins a process. */
export function parseLsof(output: string): StandingProcess[] {
  const found: StandingProcess[] = []
  let pid = 0
  let name = '?'
  for (const line of output.split('\n')) {
    const value = line.slice(1)
    if (line.startsWith('p')) pid = Number(value)
    else if (line.startsWith('c')) name = plain(value)
    else if (line.startsWith('n')) found.push({ pid, name, cwd: plain(value) })
  }
  return found
}

const ESCAPES: Readonly<Record<string, string>> = {
  ...{ b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', '\\': '\\' },
}

/** Undoes what lsof does to bytes that its locale (C here) cannot print: `\xc3\xa9`, `\t`, a backslash twice. */
function plain(text: string): string {
  if (!text.includes('\\')) return text
  const bytes = text.replace(/\\(?:x([0-9a-f]{2})|([bfnrt\\]))/g, (all, hex, letter) =>
    hex === undefined ? (ESCAPES[letter] ?? all) : String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return Buffer.from(bytes, 'latin1').toString()
}
