/**
 * A daemon's answer, read leniently: daemon and CLI may be of different releases, and a field that is
 * missing must not keep the rest from being shown.
 */
export class Reply {
  readonly #values: ReadonlyMap<string, unknown>

  constructor(value: unknown) {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    this.#values = new Map(isObject ? Object.entries(value) : [])
  }

  /** Empty when missing. */
  text(name: string): string {
    const value = this.#values.get(name)
    if (typeof value === 'string') return value
    return typeof value === 'number' || typeof value === 'boolean' ? String(value) : ''
  }

  number(name: string): number | null {
    const value = this.#values.get(name)
    return typeof value === 'number' ? value : null
  }

  flag(name: string): boolean {
    return this.#values.get(name) === true
  }

  list(name: string): Reply[] {
    const value = this.#values.get(name)
    return Array.isArray(value) ? value.map((item) => new Reply(item)) : []
  }

  texts(name: string): string[] {
    const value = this.#values.get(name)
    return Array.isArray(value) ? value.map(String) : []
  }

  object(name: string): Reply {
    return new Reply(this.#values.get(name))
  }
}
