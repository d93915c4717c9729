import type { ControlContext } from './context.ts'

/** One thing the CLI may ask of a running daemon. A failure is a thrown DaemonError. */
export interface ControlMethod {
  readonly name: string
  /** `params` comes from a socket and is checked here; the result must survive JSON. */
  call(params: unknown, context: ControlContext): Promise<unknown>
}
