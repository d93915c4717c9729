/** What is answered while no daemon is there, as JSON that `bundle.mjs` makes from the daemon's own catalog. */
interface StaticAnswers {
  /** The members of `initialize`'s result behind `protocolVersion`. */
  readonly initialize: string
  /** By method. */
  readonly lists: readonly (readonly [string, string])[]
  /** Names the catalog in these lists; a daemon with another one makes the client list again. */
  readonly catalog: string
}

/** Written into the bundle. */
declare const SCRUM4ME_ANSWERS: StaticAnswers

export const staticAnswers: StaticAnswers = SCRUM4ME_ANSWERS
