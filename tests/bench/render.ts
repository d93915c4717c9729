import type { Circumstances } from './circumstances.ts'
import type { Figure, Reading } from './figure.ts'
import type { Report } from './report.ts'

const HEAD = ['figure', 'measured', 'beside', 'ratio', 'target', 'met']

/** The result for people: one line a figure, notes below. */
export function render(report: Report): string {
  const notes: string[] = []
  const rows = report.benches.flatMap(({ figures }) => figures).map((figure) => row(figure, notes))
  const widths = HEAD.map((head, column) =>
    Math.max(...[HEAD, ...rows].map((r) => (r[column] ?? head).length)),
  )
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) =>
        column === 3 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd()
  const rule = widths.map((width) => '─'.repeat(width)).join('  ')
  return [
    ...where(report.circumstances),
    '',
    line(HEAD),
    rule,
    ...rows.map(line),
    rule,
    summary(report),
    ...notes.map((note, index) => `${index + 1}) ${note}`),
    ...report.benches.flatMap(({ name, failed }) =>
      failed === undefined ? [] : [`${name} failed: ${failed}`],
    ),
    '',
  ].join('\n')
}

function row(figure: Figure, notes: string[]): string[] {
  const { title, ours, against, value, target, met, note } = figure
  if (note !== undefined && !notes.includes(note)) notes.push(note)
  const mark = note === undefined ? '' : ` ${notes.indexOf(note) + 1})`
  return [
    title + mark,
    reading(ours),
    against === undefined ? '' : reading(against),
    against === undefined ? '' : `${number(value)}×`,
    target === undefined ? '' : `≤ ${target}${against === undefined ? withSpace(ours.unit) : '×'}`,
    met === null ? '' : met ? 'yes' : 'NO',
  ]
}

function reading({ label, value, unit }: Reading): string {
  return `${label} ${number(value)}${withSpace(unit)}`
}

function withSpace(unit: string): string {
  return unit === '' ? '' : ` ${unit}`
}

/** Three digits say all that a benchmark knows. */
export function number(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 100_000) return String(value)
  return value.toFixed(Math.max(0, 2 - Math.max(0, Math.floor(Math.log10(Math.abs(value) || 1)))))
}

function where(c: Circumstances): string[] {
  return [
    `${c.cpu}, ${c.cores} cores, ${c.memoryGib} GiB, ${c.os}; load before ${c.loadBefore}; ${c.at}`,
    `scrum4me-daemon ${c.daemon}, Node ${c.node}, PostgreSQL ${c.postgres} (fsync on), git ${c.git}, MCP SDK ${c.mcpSdk}, Prisma ${c.prisma}, graphile-worker ${c.graphileWorker}, pg-boss ${c.pgBoss}`,
  ]
}

function summary(report: Report): string {
  const judged = report.benches.flatMap(({ figures }) => figures).filter(({ met }) => met !== null)
  const missed = judged.filter(({ met }) => met === false)
  const seconds = Math.round(report.seconds)
  return `${judged.length - missed.length} of ${judged.length} targets met, in ${seconds} s`
}
