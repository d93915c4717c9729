/**
 * A path as git stores it: any bytes but NUL. Held as a latin1 string, one character a byte, so that names
 * that are no UTF-8 survive; turned into bytes again wherever it meets git or the file system.
 */
export type BytePath = string

export function toBytes(text: BytePath): Buffer {
  return Buffer.from(text, 'latin1')
}

/** `directory` (an ordinary path) joined with a byte path below it. */
export function below(directory: string, path: BytePath): Buffer {
  return Buffer.concat([Buffer.from(`${directory}/`), toBytes(path)])
}

/** For people: as UTF-8, with what is no UTF-8 replaced. */
export function readable(path: BytePath): string {
  return toBytes(path).toString('utf8')
}

/**
 * The NUL-separated fields of git's `-z` output that `keep` wants, judged by their bytes (the output, and where the
 * field begins), so that the many uninteresting ones of a big repository never become strings.
 */
export function fields(
  output: Buffer,
  keep: (output: Buffer, start: number) => boolean = () => true,
): BytePath[] {
  const found: BytePath[] = []
  for (let start = 0; start < output.length; ) {
    const end = output.indexOf(0, start)
    const stop = end < 0 ? output.length : end
    if (stop > start && keep(output, start)) found.push(output.toString('latin1', start, stop))
    start = stop + 1
  }
  return found
}

/** A name for a line-based stdin of git: quoted like C whenever git would read it as anything but itself. */
export function quoted(path: BytePath): string {
  return /["\\\p{Cc}]/u.test(path) ? alwaysQuoted(path) : path
}

export function alwaysQuoted(path: BytePath): string {
  const escaped = path.replace(
    /["\\\p{Cc}]/gu,
    (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`,
  )
  return `"${escaped}"`
}
