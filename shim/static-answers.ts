/** What is answered while no daemon is there, as JSON that `bundle.mjs` makes from the daemon's own catalog. */
export interface StaticAnswers {
  /** The members of `initialize`'s result behind `protocolVersion`: `"capabilities":{…},"serverInfo":{…},…` */
  readonly initialize: string
  /** `{"tools":[…]}` and `{"prompts":[…]}` */
  readonly tools: string
  readonly prompts: string
  /** Names this catalog; a daemon with another one makes the client list again. */
  readonly catalog: string
}

/** Written into the bundle. */
declare const SCRUM4ME_ANSWERS: StaticAnswers

export const staticAnswers: StaticAnswers = SCRUM4ME_ANSWERS
