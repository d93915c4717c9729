import { check, type Evidence, timeline, type Violation } from './check.ts'
import type { Laboratory } from './laboratory.ts'

/** What the checker finds in a laboratory's run; the stories of the first jobs concerned are printed. */
export async function verdict(lab: Laboratory, options: { quiet?: boolean } = {}): Promise<Violation[]> {
  const instances = new Map<string, string>()
  for (const machine of lab.machines) instances.set(machine.name, (await machine.instanceId()) ?? '')
  const { history } = lab
  const evidence: Evidence = { history, audit: await lab.audit(), jobs: await lab.jobs(), instances }
  const violations = check(evidence)
  if (options.quiet === true) return violations
  for (const job of new Set(violations.slice(0, 5).map((one) => one.job)))
    console.log(`${job}\n${timeline(evidence, job)}`)
  return violations
}
