import { parseArgs } from 'node:util'
import { allBenches } from './all-benches.ts'
import type { Bench } from './bench.ts'
import { endurance, largeEndurance } from './figures/endurance.ts'
import { largeStorm } from './figures/large-storm.ts'
import { expectations } from './fleet/expectations.ts'
import { fleet } from './fleet/fleet.ts'
import { render } from './render.ts'
import { run } from './run.ts'

const HELP = `npm run bench [-- options]          speed and weight beside floors and rivals
npm run bench -- fleet [options]   2,000 machines on one database: arithmetic, then measured
npm run bench -- endurance         1,000 jobs in a row: what is left on the disk (ten minutes)
npm run bench -- large-endurance   the same with 20,000 files (an hour)
npm run bench -- large-storm       100 worktrees of 20,000 files removed at once (a quarter of an hour, 16 GB)

  --only NAME     one bench; may be given several times: ${allBenches.map(({ name }) => name).join(', ')}
  --scale FACTOR  part of the repetitions, to try something out (default 1; percentiles want all of them)
  --json          one JSON document on stdout, with every series
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', multiple: true },
    scale: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

/** Run by name only, each longer than a run of all others may take. */
const APART: Readonly<Record<string, Bench>> = {
  fleet,
  endurance,
  'large-endurance': largeEndurance,
  'large-storm': largeStorm,
}
const [word = ''] = positionals
const isFleet = word === 'fleet'
const apart = Object.hasOwn(APART, word) ? APART[word] : undefined
const chosen = apart
  ? [apart]
  : allBenches.filter(({ name }) => values.only === undefined || values.only.includes(name))
const scale = Number(values.scale)
if (values.help) {
  process.stdout.write(HELP)
} else if (chosen.length === 0 || positionals.length > (apart ? 1 : 0) || !(scale > 0)) {
  process.stderr.write(HELP)
  process.exitCode = 2
} else {
  if (isFleet && !values.json) process.stdout.write(expectations())
  const report = await run(chosen, { scale }, (text) => process.stderr.write(`${text}\n`))
  process.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : render(report))
  if (report.benches.some(({ failed }) => failed !== undefined)) process.exitCode = 1
}
