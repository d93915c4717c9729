import type { Findings } from './figure.ts'
import type { Cleanup } from './world/cleanup.ts'
import type { World } from './world/world.ts'

export interface Sizes {
  /** How much of the repetitions: 1 in a full run, less to try things out. Percentiles want all of them. */
  readonly scale: number
}

export interface Bench {
  /** For `--only`. */
  readonly name: string
  /** What `cleanup` owns ends with the bench, whatever became of it. */
  run(world: World, sizes: Sizes, cleanup: Cleanup): Promise<Findings>
}

/** `full` repetitions scaled down, never below `least`. */
export function times(sizes: Sizes, full: number, least = 2): number {
  return Math.max(least, Math.round(full * sizes.scale))
}
