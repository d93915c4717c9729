/**
 * The contract of everything long-lived.
 * `start` may fail; then nothing of it runs. `stop` resolves only when nothing of it runs any more,
 * and tolerates a service that never started or was stopped before.
 */
export interface Service {
  readonly name: string
  start(): Promise<void>
  stop(): Promise<void>
}
