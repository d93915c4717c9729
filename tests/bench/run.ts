import type { Bench, Sizes } from './bench.ts'
import { circumstances } from './circumstances.ts'
import type { BenchReport, Report } from './report.ts'
import { World } from './world/world.ts'

/** Runs benches one after the other in one world; one that fails is reported and keeps no other from running. */
export async function run(
  benches: readonly Bench[],
  sizes: Sizes,
  progress: (text: string) => void,
): Promise<Report> {
  const start = performance.now()
  const world = await World.make()
  // Whatever was started is stopped, also when a person has seen enough.
  const interrupted = () => void world.close().then(() => process.exit(130))
  process.once('SIGINT', interrupted)
  process.once('SIGTERM', interrupted)
  try {
    const where = await circumstances(await world.postgresVersion())
    const reports: BenchReport[] = []
    for (const bench of benches) {
      progress(`${bench.name} …`)
      reports.push(await one(bench, world, sizes))
    }
    return { circumstances: where, scale: sizes.scale, seconds: since(start), benches: reports }
  } finally {
    process.off('SIGINT', interrupted)
    process.off('SIGTERM', interrupted)
    await world.close()
  }
}

async function one(bench: Bench, world: World, sizes: Sizes): Promise<BenchReport> {
  const start = performance.now()
  const { name } = bench
  const cleanup = world.scope()
  try {
    const findings = await bench.run(world, sizes, cleanup)
    return { name, seconds: since(start), ...findings }
  } catch (error) {
    const failed = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { name, seconds: since(start), figures: [], series: {}, failed }
  } finally {
    await cleanup.run()
  }
}

function since(start: number): number {
  return Math.round((performance.now() - start) / 10) / 100
}
