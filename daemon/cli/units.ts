import { durationText } from '../status/duration-text.ts'

/** How long ago an ISO time was; a dash for none. */
export function agoText(iso: string | null | undefined, now: number): string {
  const time = iso === null || iso === undefined ? Number.NaN : Date.parse(iso)
  return Number.isNaN(time) ? '-' : durationText((now - time) / 1000)
}
