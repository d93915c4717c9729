import type { Redactor } from '../redact.ts'
import type { ConfigFault } from './env-file.ts'

/**
 * The shape node-postgres accepts, `?host=/directory` with an empty host included; the URL parser of
 * the platform refuses an empty host after credentials, so one is put in before it looks.
 */
export function parseUrlShape(text: string): URL | undefined {
  if (!/^postgres(ql)?:\/\//.test(text) || /\s/.test(text)) return undefined
  try {
    const url = new URL(text.replace(/^([a-z]+:\/\/[^/?#]*@|[a-z]+:\/\/)(?=[/?#]|$)/, '$1localhost'))
    decodeURIComponent(url.password)
    decodeURIComponent(url.username)
    return url
  } catch {
    return undefined
  }
}

export function databaseUrlFault(name: string, text: string): ConfigFault | undefined {
  if (parseUrlShape(text) !== undefined) return undefined
  return {
    name,
    expected: 'postgresql://user:password@host:port/database (value not shown)',
    remedy:
      'Percent-encode special characters of the password; `scrum4me-daemon login` asks for it and checks it.',
  }
}

/** The URL with its password as `***`. */
export function maskDatabaseUrl(text: string): string {
  const url = parseUrlShape(text)
  if (url === undefined) return '***'
  const query = url.searchParams.has('password') ? '?***' : url.search
  const user = url.username === '' ? '' : `${url.username}${url.password === '' ? '' : ':***'}@`
  return `${url.protocol}//${user}${url.host}${url.pathname}${query}`
}

/** Registers whatever of the URL must never be seen, in each form it may turn up in. */
export function registerUrlSecrets(text: string, redactor: Redactor): void {
  const url = parseUrlShape(text)
  if (url === undefined) return
  for (const password of [url.password, url.searchParams.get('password') ?? '']) {
    if (password === '') continue
    redactor.add(password)
    redactor.add(decodeURIComponent(password))
  }
}
