import type { Criterion } from './criteria.ts'
import { covers } from './plan-paths.ts'
import type { Work } from './work.ts'

export type Result = 'aligned' | 'partial' | 'empty' | 'divergent'

export interface Judgement {
  readonly result: Result
  /** One or two sentences. */
  readonly reasoning: string
  /** 0: what the plan names and nothing else was touched; 1: nothing of it. Two decimals. */
  readonly driftScore: number
  readonly touched: readonly string[]
  readonly untouched: readonly string[]
  /** Changed files that the plan does not name. */
  readonly unplanned: readonly string[]
}

/** So many changed lines are too many to trust to a plan that names no file. */
const SMALL_CHANGE = 50

/** Files that come along with a change whatever it is. */
const COMPANION =
  /(?:^|\/)(?:tests?|__tests__|spec|__snapshots__|fixtures)\/|[._-](?:test|spec)\.\w+$|(?:^|\/)(?:package-lock\.json|pnpm-lock\.yaml|yarn\.lock|Cargo\.lock|go\.sum|poetry\.lock|uv\.lock|CHANGELOG\.md)$/

/**
 *   empty      nothing was changed
 *   divergent  nothing that the plan names was touched, or so much else that the plan does not describe the work
 *   partial    something that the plan names was not touched, or a criterion is contradicted, or the plan names
 *              no file and the change is not small
 *   aligned    everything else
 */
export function judge(paths: readonly string[], work: Work, criteria: readonly Criterion[]): Judgement {
  const files = work.files.map((file) => file.path)
  const touched = paths.filter((path) => files.some((file) => covers(path, file)))
  const untouched = paths.filter((path) => !touched.includes(path))
  const unplanned = files.filter((file) => !paths.some((path) => covers(path, file)))
  const extra = unplanned.filter((file) => !COMPANION.test(file))
  const unmet = criteria.filter((criterion) => criterion.met === false).length
  const answer = (result: Result, reasoning: string): Judgement => ({
    ...{ result, reasoning, touched, untouched, unplanned },
    driftScore: driftOf(result, paths.length, untouched.length, extra.length, criteria),
  })
  if (files.length === 0) return answer('empty', 'No file was changed since the base commit.')
  const contradicted =
    unmet === 0 ? '' : ` ${count(unmet, 'acceptance criterion', 'acceptance criteria')} not met.`
  if (paths.length === 0) {
    const lines = work.linesAdded + work.linesDeleted
    const what = `The plan names no files; ${count(files.length, 'file', 'files')} and ${count(lines, 'line', 'lines')} changed.`
    if (lines > SMALL_CHANGE) {
      return answer('partial', `${what} That is too much to call aligned without reading it.${contradicted}`)
    }
    return answer(unmet > 0 ? 'partial' : 'aligned', what + contradicted)
  }
  if (touched.length === 0) {
    return answer('divergent', `None of what the plan names was touched: ${list(untouched)}.${contradicted}`)
  }
  if (extra.length > Math.max(2, 2 * paths.length)) {
    return answer(
      'divergent',
      `${count(extra.length, 'file', 'files')} changed that the plan does not name, against ${paths.length} that it names: ${list(extra)}.${contradicted}`,
    )
  }
  if (untouched.length > 0) {
    return answer('partial', `The plan names what was not touched: ${list(untouched)}.${contradicted}`)
  }
  const all = `Everything the plan names was touched (${list(paths)}).`
  return answer(unmet > 0 ? 'partial' : 'aligned', all + contradicted)
}

/** What is missing and, at half weight, what was added to the plan; without paths, the criteria not met. */
function driftOf(
  result: Result,
  planned: number,
  untouched: number,
  extra: number,
  criteria: readonly Criterion[],
): number {
  if (result === 'empty') return 1
  const judged = criteria.filter((criterion) => criterion.met !== null)
  const unmet = judged.filter((criterion) => criterion.met === false).length
  const drift =
    planned > 0
      ? (untouched + extra / 2) / (planned + extra / 2)
      : judged.length > 0
        ? unmet / judged.length
        : 0
  return Math.round(drift * 100) / 100
}

function list(items: readonly string[]): string {
  const shown = items.slice(0, 5).join(', ')
  return items.length > 5 ? `${shown} and ${items.length - 5} more` : shown
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`
}
