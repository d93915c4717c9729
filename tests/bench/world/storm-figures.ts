import { type Figure, plain } from '../figure.ts'
import { percentile } from '../samples.ts'
import { BEAT_S, type Storm } from './crowd.ts'

const CONTRACT_BEAT_S = 5

/** How long the machine looked silent from outside, as it would have at the contract's pace. */
export function stormFigures(when: string, { gaps, removed, lasted }: Storm): Figure[] {
  // What a beat is late is the same at any pace.
  const late = gaps.map((gap) => gap - BEAT_S + CONTRACT_BEAT_S)
  const seconds = (value: number) => ({ label: 'ours', value, unit: 's' }) as const
  const note = `beats every ${BEAT_S} s, to have ${gaps.length} of them; what they were late is added to ${CONTRACT_BEAT_S} s; ${removed} worktrees went in ${Math.round(lasted)} s`
  return [
    plain(`heartbeat gap ${when}, p99`, seconds(percentile(late, 99)), 6, note),
    plain(`heartbeat gap ${when}, longest`, seconds(Math.max(...late)), 10, note),
  ]
}
