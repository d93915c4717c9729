import type { Summary } from './samples.ts'

/** What was measured of one subject: a time, a size, a count. */
export interface Reading {
  readonly label: string
  readonly value: number
  readonly unit: 'ms' | 'MB' | '%' | 's' | ''
}

/** One line of the result: a reading of ours, what it stands beside, and the target it must not exceed. */
export interface Figure {
  readonly title: string
  readonly ours: Reading
  /** A floor or a rival, measured in the same run. Without it the target is about `ours` itself. */
  readonly against?: Reading
  /** `value` must be at most this; undefined: shown for comparison only. */
  readonly target?: number
  /** ours ÷ against, or ours. */
  readonly value: number
  readonly met: boolean | null
  /** What a reader must know about this number. */
  readonly note?: string
}

/** What one bench found: figures, and every series behind them in the unit its name says. */
export interface Findings {
  readonly figures: readonly Figure[]
  readonly series: Readonly<Record<string, Summary>>
}

/** A figure that is a ratio of two readings. */
export function ratio(
  title: string,
  ours: Reading,
  against: Reading,
  target?: number,
  note?: string,
): Figure {
  const value = ours.value / against.value
  return { title, ours, against, value, ...judged(value, target), ...(note === undefined ? {} : { note }) }
}

/** A figure that stands for itself: a count, or a limit that the contract names in absolute terms. */
export function plain(title: string, ours: Reading, target?: number, note?: string): Figure {
  const { value } = ours
  return { title, ours, value, ...judged(value, target), ...(note === undefined ? {} : { note }) }
}

function judged(value: number, target: number | undefined): { target?: number; met: boolean | null } {
  return target === undefined ? { met: null } : { target, met: value <= target }
}

export const ms = (label: string, value: number): Reading => ({ label, value, unit: 'ms' })
export const mb = (label: string, value: number): Reading => ({ label, value, unit: 'MB' })
export const count = (label: string, value: number): Reading => ({ label, value, unit: '' })
