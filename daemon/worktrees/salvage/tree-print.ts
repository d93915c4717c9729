import type { Engine } from '../engine.ts'
import { systemTools } from '../system-tools.ts'
import { type BytePath, toBytes } from './bytes.ts'
import { Unreadable } from './unreadable.ts'

const DEADLINE_MS = 300_000

/** git renews the times of an object that it would write again; its name is its content, so they say nothing. */
const OBJECTS = '"(" -path "*/.git/objects/*" -o -path "./modules/*/objects/*" ")"'
/** Name, inode, kind, mode, size, times of writing and of change; GNU and BSD tell them differently. */
const FIND =
  process.platform === 'linux'
    ? `find "$@" ${OBJECTS} -printf "%p %i %y %m %s\\n" -o -printf "%p %i %y %m %s %T@ %C@\\n"`
    : `find "$@" ${OBJECTS} -exec stat -f "%N %i %p %z" {} + -o -exec stat -f "%N %i %p %z %Fm %Fc" {} +`

/**
 * Changes whenever anything in the trees `paths` below `directory` does, `.git` included. `find` looks, as there may
 * be millions of files, and git is not asked, as its hooks and settings there are not ours. Reading a tree or
 * renaming a directory above it changes nothing. Throws when something cannot be read, or vanishes meanwhile.
 */
export async function treePrint(
  engine: Engine,
  directory: string,
  paths: readonly BytePath[],
): Promise<string> {
  if (paths.length === 0) return ''
  const { code, stdout, stderr, ended } = await engine.git.child({
    command: 'sh',
    args: ['-c', `cd "$1" && xargs -0 sh -c '${FIND}' find | LC_ALL=C sort | cksum`, 'sh', directory],
    cwd: '/',
    env: systemTools({ ...engine.childEnv, LC_ALL: 'C' }),
    input: toBytes(paths.map((path) => `./${path}\0`).join('')),
    signal: engine.stopping,
    deadlineMs: DEADLINE_MS,
  })
  const denied = /^find: .*Permission denied$/m.exec(stderr)
  if (denied !== null) throw new Unreadable(denied[0])
  // Of a pipe only the last exit code is known.
  if (code !== 0 || stderr !== '') {
    throw new Error(`its repositories could not be looked through (${ended}): ${stderr.trim().slice(-300)}`)
  }
  return [...paths, stdout.toString()].join('\n')
}
