import { DaemonError } from '../errors.ts'

/** The parameters of one control request, checked as they are read. */
export class Params {
  readonly #values: ReadonlyMap<string, unknown>

  constructor(params: unknown) {
    const isObject = typeof params === 'object' && params !== null && !Array.isArray(params)
    this.#values = new Map(isObject ? Object.entries(params) : [])
  }

  /** A text of 1 to `max` characters. */
  text(name: string, max = 4096): string {
    const value = this.optionalText(name, max)
    if (value === undefined) throw invalid(name, `a text of 1 to ${max} characters`)
    return value
  }

  optionalText(name: string, max = 4096): string | undefined {
    const value = this.#values.get(name)
    if (value === undefined || value === null) return undefined
    if (typeof value !== 'string' || value.trim() === '' || value.length > max || value.includes('\0')) {
      throw invalid(name, `a text of 1 to ${max} characters`)
    }
    return value
  }

  /** A whole number from 1 on. */
  optionalNumber(name: string): number | undefined {
    const value = this.#values.get(name)
    if (value === undefined || value === null) return undefined
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1) {
      throw invalid(name, 'a whole number from 1 on')
    }
    return value
  }

  flag(name: string): boolean {
    const value = this.#values.get(name)
    if (value === undefined) return false
    if (typeof value !== 'boolean') throw invalid(name, 'true or false')
    return value
  }
}

function invalid(name: string, expected: string): DaemonError {
  return new DaemonError('VALIDATION_ERROR', `${name} must be ${expected}`, 'Nothing was changed.')
}
