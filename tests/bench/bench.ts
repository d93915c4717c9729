import type { Findings } from './figure.ts'
import type { World } from './world/world.ts'

export interface Sizes {
  /** How much of the repetitions: 1 in a full run, less to try things out. Percentiles want all of them. */
  readonly scale: number
}

export interface Bench {
  /** For `--only`. */
  readonly name: string
  run(world: World, sizes: Sizes): Promise<Findings>
}

/** `full` repetitions scaled down, never below `least`. */
export function times(sizes: Sizes, full: number, least = 2): number {
  return Math.max(least, Math.round(full * sizes.scale))
}
