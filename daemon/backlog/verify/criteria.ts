import { covers, planPaths } from './plan-paths.ts'
import type { Work } from './work.ts'

/** `met`: true with evidence for it, false when what it names is not there, null when nothing can be checked. */
export interface Criterion {
  readonly text: string
  readonly met: boolean | null
  readonly evidence: string
}

/** What evidence is looked for in. */
export interface Evidence {
  readonly work: Work
  /** Newest logged test run of the story: `PASSED`, `FAILED`, or null. */
  readonly testStatus: string | null
}

const MAX_CRITERIA = 50
const MAX_LENGTH = 4_000
const MAX_WORDS = 15

/** One criterion a bullet or line; headings are none, `When`/`Then` belong to their `Given`. */
export function splitCriteria(text: string): string[] {
  const criteria: string[] = []
  let mayContinue = false
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.trim()
    if (line === '') mayContinue = false
    if (line === '' || /^#{1,6}\s/.test(line) || /^(?:\*\*)?[^.`]{1,60}:(?:\*\*)?$/.test(line)) continue
    const bullet = /^(?:[-*+•]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s*)?(.+)$/.exec(line)
    const last = criteria.length - 1
    const continues =
      /^(?:when|then|and|but|als|dan|en)\b/i.test(line) || (/^\s/.test(raw) && bullet === null)
    if (bullet === null && continues && mayContinue && last >= 0) criteria[last] += ` ${line}`
    else criteria.push((bullet?.[1] ?? line).trim())
    mayContinue = true
  }
  return criteria.slice(0, MAX_CRITERIA).map((criterion) => criterion.slice(0, MAX_LENGTH))
}

/**
 * Looks for what a criterion names: files, code and quoted text must turn up in the changes; without any, most
 * of its words must in one changed file. Evidence, not proof: whether the work is right stays for people.
 */
export function judgeCriterion(text: string, { work, testStatus }: Evidence): Criterion {
  if (/\btests?\b/i.test(text) && /\b(?:pass|passes|passing|green|succeed|succeeds)\b/i.test(text)) {
    return judgeTests(text, testStatus)
  }
  const terms = namedTerms(text)
  if (terms.length === 0) return judgeWords(text, work)
  const places = terms.map((term) => ({ term, place: placeOf(term, work) }))
  const missing = places.filter(({ place }) => place === undefined).map(({ term }) => term)
  const found = places.filter(({ place }) => place !== undefined)
  if (missing.length === terms.length) {
    return { text, met: false, evidence: `Not in the changes: ${missing.join(', ')}.` }
  }
  const where = found.map(({ term, place }) => (term === place ? term : `${term} in ${place}`)).join(', ')
  if (missing.length === 0) return { text, met: true, evidence: `Found ${where}.` }
  return { text, met: null, evidence: `Found ${where}; not in the changes: ${missing.join(', ')}.` }
}

function judgeTests(text: string, status: string | null): Criterion {
  if (status === null) return { text, met: null, evidence: 'No test result was logged (log_test_result).' }
  return { text, met: status === 'PASSED', evidence: `The newest logged test result is ${status}.` }
}

/** What can be looked up word for word: paths, code in backticks, quoted text, identifiers, options. */
export function namedTerms(text: string): string[] {
  const terms = new Set(planPaths(text))
  for (const match of text.matchAll(/`([^`]{2,120})`|"([^"]{2,120})"|“([^”]{2,120})”/g)) {
    const term = (match[1] ?? match[2] ?? match[3] ?? '').trim()
    if (term !== '') terms.add(term)
  }
  const bare = text.replace(/`[^`]*`|"[^"]*"|“[^”]*”/g, ' ')
  for (const [word] of bare.matchAll(
    /--[a-z][\w-]+|\b(?:[a-z]+(?:_[a-z0-9]+)+|[a-z]+[A-Z]\w+|[A-Z]{2,}(?:_[A-Z0-9]+)+)/g,
  )) {
    terms.add(word)
  }
  return [...terms].slice(0, 20)
}

function placeOf(term: string, work: Work): string | undefined {
  const changed = work.files.find((file) => covers(term, file.path))
  if (changed !== undefined) return changed.path
  const lower = term.toLowerCase()
  for (const [path, added] of work.addedText) if (added.includes(lower)) return path
  const commit = work.commits.find(({ subject }) => subject.toLowerCase().includes(lower))
  return commit === undefined ? undefined : `commit ${commit.sha.slice(0, 12)}`
}

const COMMON = new Set(
  (
    'about after again all also and any are because been before being both but can cannot could does doing each ' +
    'every for from given has have having here how into its itself must new not now only other over same shall ' +
    'should some such than that the their them then there these they this those through too under until user users ' +
    'very was were what when where which while will with within without work works would you your'
  ).split(' '),
)

function judgeWords(text: string, work: Work): Criterion {
  const words = [...new Set(text.toLowerCase().match(/\p{L}{4,}/gu) ?? [])]
    .filter((word) => !COMMON.has(word))
    .slice(0, MAX_WORDS)
  const unknown = { text, met: null, evidence: 'It names nothing that could be looked up; read the change.' }
  if (words.length < 2) return unknown
  let best = { path: '', found: [] as string[] }
  for (const [path, added] of work.addedText) {
    const body = `${path.toLowerCase()}\n${added}`
    const found = words.filter((word) => body.includes(stem(word)))
    if (found.length > best.found.length) best = { path, found }
  }
  if (best.found.length < 2 || best.found.length * 3 < words.length * 2) return unknown
  return { text, met: true, evidence: `${best.path} speaks of it: ${best.found.slice(0, 8).join(', ')}.` }
}

function stem(word: string): string {
  const short = word.replace(/(?:ing|ed|es|s)$/, '')
  return short.length >= 4 ? short : word
}
