/** What the test itself saw and did, in order; nothing in it is ever changed. Times: ms since epoch, fractions kept. */
export type Happening =
  | { readonly kind: 'wait'; readonly session: string; readonly machine: string }
  | {
      readonly kind: 'delivered'
      readonly session: string
      readonly machine: string
      readonly job: string
      /** The claim's number, which a trigger puts where the answer shows it (`audit.ts`). */
      readonly claim: string
      readonly resumed: boolean
      /** When the call was made. */
      readonly asked: number
    }
  | { readonly kind: 'cancel'; readonly session: string; readonly job?: string }
  | { readonly kind: 'foreign work'; readonly session: string; readonly job: string; readonly detail: string }
  | {
      readonly kind: 'report'
      readonly session: string
      readonly machine: string
      readonly job: string
      readonly claim: string
      /** Unique for each report; stands in the job's `summary` if the report counts. */
      readonly nonce: string
      readonly status: string
    }
  | {
      readonly kind: 'report answered'
      readonly session: string
      readonly job: string
      readonly claim: string
      readonly nonce: string
      /** `counted`, `spooled`, or the error's code. */
      readonly answer: string
      readonly status: string
    }
  | {
      readonly kind: 'commit'
      readonly session: string
      readonly machine: string
      readonly job: string
      readonly sha: string
    }
  | { readonly kind: 'shim'; readonly session: string; readonly did: 'up' | 'down' | 'stopped' | 'continued' }
  | {
      readonly kind: 'daemon'
      readonly machine: string
      readonly did: 'started' | 'killed' | 'stopped' | 'continued' | 'terminated'
    }
  | { readonly kind: 'database'; readonly did: string; readonly machine?: string }
  | { readonly kind: 'failed call'; readonly session: string; readonly text: string }
  | { readonly kind: 'phase'; readonly name: string }

export type Recorded = Happening & { readonly at: number; readonly n: number }

export type Kind<K extends Happening['kind']> = Extract<Recorded, { kind: K }>

export class History {
  readonly #all: Recorded[] = []

  /** Wall clock of this machine, which the database shares, in sub-millisecond steps. */
  static now(): number {
    return performance.timeOrigin + performance.now()
  }

  add(happening: Happening): Recorded {
    const recorded = { ...happening, at: History.now(), n: this.#all.length }
    this.#all.push(recorded)
    return recorded
  }

  get all(): readonly Recorded[] {
    return this.#all
  }

  of<K extends Happening['kind']>(kind: K): Kind<K>[] {
    return this.#all.filter((one): one is Kind<K> => one.kind === kind)
  }

  /** How often what happened, for a look at whether a run was worth anything. */
  counts(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const one of this.#all) {
      const label =
        one.kind === 'shim' || one.kind === 'daemon' || one.kind === 'database'
          ? `${one.kind} ${one.did}`
          : one.kind === 'report answered'
            ? `report ${one.answer}`
            : one.kind === 'delivered' && one.resumed
              ? 'delivered again'
              : one.kind
      counts[label] = (counts[label] ?? 0) + 1
    }
    return counts
  }
}
