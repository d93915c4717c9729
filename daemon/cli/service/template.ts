/** Replaces each `@NAME@`; a name without a value is a defect. */
export function fill(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/@([A-Z][A-Z_]*)@/g, (_all, name: string) => {
    const value = values[name]
    // Comments speak of @NAMES@ in general.
    if (name === 'NAMES') return '@NAMES@'
    if (value === undefined) throw new Error(`no value for @${name}@`)
    return value
  })
}

/** One word of a systemd unit: quoted, with `%`, `$` and backslashes as themselves. */
export function unitWord(text: string): string {
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%')
  return /^[A-Za-z0-9_./:@+,=-]+$/.test(text) ? text : `"${escaped}"`
}

/** As `unitWord`, in ExecStart, where `$` begins a variable. */
export function commandWord(text: string): string {
  return unitWord(text).replaceAll('$', '$$$$')
}

/** What `commandWord` was given. */
export function wordOfCommand(word: string): string {
  const quoted = /^"(.*)"$/.exec(word)?.[1] ?? word
  return quoted
    .replaceAll('$$', '$')
    .replaceAll('%%', '%')
    .replace(/\\(["\\])/g, '$1')
}

export function xmlText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** What `xmlText` was given. */
export function textOfXml(xml: string): string {
  return xml.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
}
