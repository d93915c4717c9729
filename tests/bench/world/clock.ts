/**
 * ms on the system's monotonic clock, which all processes of a machine share (Linux and macOS): a time
 * taken in one process may be subtracted from one taken in another. `performance.now()` counts from the
 * start of its own process.
 */
export function sharedNow(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = sharedNow()
  await work()
  return sharedNow() - start
}
