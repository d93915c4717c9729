import { messageOf, toDaemonError } from '../../errors.ts'

/** One line of `doctor`. */
export interface Check {
  readonly name: string
  /** `warn` is worth knowing and no fault; `skip`: could not be looked at, and why. */
  readonly state: 'ok' | 'warn' | 'fail' | 'skip'
  readonly message: string
  /** What to do; null when all is well. */
  readonly remedy: string | null
}

export function ok(name: string, message: string): Check {
  return { name, state: 'ok', message, remedy: null }
}

export function fail(name: string, message: string, remedy: string): Check {
  return { name, state: 'fail', message, remedy }
}

export function warn(name: string, message: string, remedy: string): Check {
  return { name, state: 'warn', message, remedy }
}

export function skip(name: string, message: string): Check {
  return { name, state: 'skip', message, remedy: null }
}

/** A check that takes too long or throws is itself a finding, and never keeps the others from being made. */
export async function within(
  name: string,
  timeoutMs: number,
  look: () => Promise<Check | readonly Check[]>,
): Promise<readonly Check[]> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Check>((resolve) => {
    timer = setTimeout(
      () => resolve(fail(name, `no answer within ${timeoutMs / 1000} s`, 'See `scrum4me-daemon logs`.')),
      timeoutMs,
    )
  })
  try {
    const found = await Promise.race([look(), late])
    return 'state' in found ? [found] : found
  } catch (error) {
    return [fail(name, messageOf(error), toDaemonError(error).remedy)]
  } finally {
    clearTimeout(timer)
  }
}
