import type { Invocation } from '../invocation.ts'

type Run<A extends unknown[]> = (invocation: Invocation, ...args: A) => Promise<number>
type Action = <A extends unknown[]>(run: Run<A>) => (...args: A) => Promise<void>

/** How a command becomes an action of the program: what it answers is the exit code. */
export interface Actions {
  /** For a command that says by itself what is wrong with the settings. */
  readonly look: Action
  /** For any other. */
  readonly act: Action
}
