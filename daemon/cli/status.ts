import { stripVTControlCharacters } from 'node:util'
import { delay } from '../lifecycle/delay.ts'
import { nameForeignDatabase } from './ask-daemon.ts'
import { EXIT, STATE_EXIT } from './exit.ts'
import { fetchReport } from './fetch-status.ts'
import type { Invocation } from './invocation.ts'
import { statusText } from './status-text.ts'
import { styleOf } from './style.ts'
import { untilInterrupted } from './until-interrupted.ts'

const WATCH_INTERVAL_MS = 1_000
const HINT = 'Every second; ^C ends.'

export interface StatusOptions {
  readonly json?: boolean
  readonly watch?: boolean
}

/** Asks and prints; the exit code is the state. */
export async function status(invocation: Invocation, options: StatusOptions): Promise<number> {
  if (options.watch) return watch(invocation, options.json === true)
  const { terminal, paths } = invocation
  const report = await fetchReport(paths)
  if (report.daemon !== null) await nameForeignDatabase(invocation)
  terminal.out(
    options.json ? JSON.stringify(report, null, 2) : statusText(report, styleOf(terminal.colour), Date.now()),
  )
  return STATE_EXIT[report.state] ?? EXIT.failed
}

/**
 * Until ^C. On a terminal the screen is drawn over in place: each line is written and the rest of it
 * cleared, so nothing blinks. Elsewhere one document (`--json`: a line) per change.
 */
async function watch(invocation: Invocation, json: boolean): Promise<number> {
  const { terminal, paths } = invocation
  // Once, and before the screen is drawn over.
  await nameForeignDatabase(invocation)
  const inPlace = terminal.isTTY && !json
  if (inPlace) terminal.raw('\u001b[?1049h\u001b[?25l')
  let last = ''
  let code: number = EXIT.ok
  try {
    await untilInterrupted(terminal, async (ended) => {
      while (!ended.aborted) {
        const report = await fetchReport(paths)
        code = STATE_EXIT[report.state] ?? EXIT.failed
        const text = json ? JSON.stringify(report) : statusText(report, styleOf(terminal.colour), Date.now())
        if (inPlace) terminal.raw(frame(`${text}\n\n${HINT}`, terminal.size()))
        else if (text !== last) terminal.out(text)
        last = text
        await delay(WATCH_INTERVAL_MS, ended)
      }
    })
  } finally {
    if (inPlace) terminal.raw('\u001b[?25h\u001b[?1049l')
  }
  if (inPlace) terminal.out(last)
  return code
}

/** One screenful: home, every line with its tail cleared, what is below cleared. */
export function frame(text: string, size: { readonly columns: number; readonly rows: number }): string {
  const rows = text.split('\n').flatMap((line) => {
    // A complaint and its remedy must be readable to their ends; of a table's row the beginning will do.
    return COMPLAINT.test(stripVTControlCharacters(line))
      ? wrap(line, size.columns)
      : [clip(line, size.columns)]
  })
  const lines = rows.slice(0, Math.max(1, size.rows - 1))
  const shown = lines.map((line) => `${line}\u001b[K`)
  return `\u001b[H${shown.join('\r\n')}\r\n\u001b[J`
}

const COMPLAINT = /^ +[✗→]/
const INDENT = '      '

/** Breaks at blanks. */
function wrap(line: string, columns: number): string[] {
  const wrapped: string[] = []
  let row = ''
  for (const word of line.split(/(?<=\S) /)) {
    const longer = row === '' ? word : `${row} ${word}`
    if (row !== '' && widthOf(longer) > columns) {
      wrapped.push(clip(row, columns))
      row = `${INDENT}${word}`
    } else row = longer
  }
  return [...wrapped, clip(row, columns)]
}

function widthOf(text: string): number {
  return [...stripVTControlCharacters(text)].length
}

/** Cuts to the width of the screen; colour codes take no room. */
function clip(line: string, columns: number): string {
  let width = 0
  let clipped = ''
  // biome-ignore lint/suspicious/noControlCharactersInRegex: an escape sequence begins with one
  for (const [part] of line.matchAll(/\u001b\[[0-9;]*m|./gu)) {
    if (!part.startsWith('\u001b')) {
      if (width >= columns) continue
      width += 1
    }
    clipped += part
  }
  return clipped
}
