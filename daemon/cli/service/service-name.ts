import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import type { Paths } from '../../paths.ts'

type Home = Pick<Paths, 'home' | 'isDefaultHome'>

/** What a home's service is called: now, and by an earlier version where that differs. */
export interface ServiceName {
  readonly name: string
  readonly former: string | undefined
}

/**
 * `scrum4me-daemon.service`; for another home `scrum4me-daemon@<name>.service`, where `<name>` is what
 * `systemd-escape` makes of the home's directory name. Two homes of one directory name share it: `install`
 * refuses the second.
 */
export function unitName({ home, isDefaultHome }: Home): ServiceName {
  if (isDefaultHome) return { name: 'scrum4me-daemon.service', former: undefined }
  return {
    name: `scrum4me-daemon@${escapeInstance(basename(home))}.service`,
    former: `scrum4me-daemon@${formerInstance(home)}.service`,
  }
}

/** `com.scrum4me.daemon`; for another home `com.scrum4me.daemon.<name>`, of letters, digits, `_`, `.` and `-`. */
export function launchdLabel({ home, isDefaultHome }: Home): ServiceName {
  if (isDefaultHome) return { name: 'com.scrum4me.daemon', former: undefined }
  const readable = basename(home)
    .replace(/^\.+/, '')
    .replace(/[^A-Za-z0-9_.-]+/g, '-')
  return {
    name: `com.scrum4me.daemon.${readable || 'home'}`,
    former: `com.scrum4me.daemon.${formerInstance(home)}`,
  }
}

/** As `systemd-escape` (systemd.unit(5), "String Escaping for Inclusion in Unit Names"), byte by byte. */
function escapeInstance(text: string): string {
  let escaped = ''
  for (const byte of Buffer.from(text)) {
    const char = String.fromCharCode(byte)
    const plain = /[A-Za-z0-9:_]/.test(char) || (char === '.' && escaped !== '')
    escaped += plain ? char : `\\x${byte.toString(16).padStart(2, '0')}`
  }
  return escaped
}

/** Before 0.1.0 was released, a hash made the name unique. */
function formerInstance(home: string): string {
  const readable = basename(home)
    .replace(/^\.+/, '')
    .replace(/[^A-Za-z0-9_-]+/g, '-')
    .slice(0, 40)
  return `${readable || 'home'}-${createHash('sha256').update(home).digest('hex').slice(0, 6)}`
}
