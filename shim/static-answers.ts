/** Written into the bundle by `bundle.mjs`; absent when the sources run as they are. */
declare const SCRUM4ME_ANSWERS: StaticAnswers | undefined

/** What is answered while no daemon is there, as JSON made at build time. */
export interface StaticAnswers {
  /** `{"tools":[…]}` and `{"prompts":[…]}` */
  readonly tools: string
  readonly prompts: string
  /** A JSON string, or 'null'. */
  readonly instructions: string
  /** Names this catalog; a daemon with another one makes the client list again. */
  readonly catalog: string
}

const NONE: StaticAnswers = {
  tools: '{"tools":[]}',
  prompts: '{"prompts":[]}',
  instructions: 'null',
  catalog: '',
}

export const staticAnswers: StaticAnswers = typeof SCRUM4ME_ANSWERS === 'undefined' ? NONE : SCRUM4ME_ANSWERS
