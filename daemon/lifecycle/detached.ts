/** Set by `start`: this process has no supervisor that would replace it. */
export const DETACHED_VARIABLE = 'SCRUM4ME_DETACHED'
