/** A log line for people: `12:00:01.123 WARN  presence: beat late { gap_ms: 7000 }`. */
export function logText(line: string, colour: boolean): string {
  const record = parse(line)
  if (record === undefined) return line
  const { level, time, service, msg, ...rest } = record
  const at = typeof time === 'string' ? localTime(time) : ''
  const name = String(level ?? '')
    .toUpperCase()
    .padEnd(5)
  const from = typeof service === 'string' ? `${service}: ` : ''
  const facts = Object.entries(rest).map(([key, value]) => ` ${key}=${factText(value)}`)
  const text = `${at} ${paint(name, colour)} ${from}${String(msg ?? '')}`
  const tail = facts.join('')
  return tail === '' || !colour ? `${text}${tail}` : `${text}\u001b[2m${tail}\u001b[22m`
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
  } catch {
    return undefined
  }
}

function localTime(iso: string): string {
  const date = new Date(iso)
  if (Number.isNaN(date.getTime())) return iso
  const two = (value: number) => String(value).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
  return `${day} ${clock}.${String(date.getMilliseconds()).padStart(3, '0')}`
}

function factText(value: unknown): string {
  if (typeof value === 'string') return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value)
  return JSON.stringify(value) ?? String(value)
}

const COLOURS: Record<string, number> = { WARN: 33, ERROR: 31, FATAL: 31, DEBUG: 2, TRACE: 2 }

function paint(name: string, colour: boolean): string {
  const code = COLOURS[name.trim()]
  return colour && code !== undefined ? `\u001b[${code}m${name}\u001b[0m` : name
}
