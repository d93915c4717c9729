import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { type Bench, times } from '../bench.ts'
import { type Figure, ms, ratio } from '../figure.ts'
import { PER_SESSION_SERVER, sessionEnvironment } from '../rivals/session-environment.ts'
import { median, percentile, type Summary, summarise } from '../samples.ts'
import { timed } from '../world/clock.ts'
import { Machine } from '../world/machine.ts'

const CALLS = 300

/** What is asked: a tool call with one statement behind it, and a request with nothing behind it at all. */
const QUESTIONS = {
  'tool call (health)': (client: Client) => client.callTool({ name: 'health', arguments: {} }),
  'request without work (prompts/get)': (client: Client) =>
    client.getPrompt({ name: 'implement_next_story', arguments: { product_id: 'p' } }),
} as const
type Question = keyof typeof QUESTIONS

/** In turn, round by round: p50 and p99 of each round, and of those the medians, so that one bad moment counts once. */
interface Rounds {
  readonly p50: number[]
  readonly p99: number[]
  readonly all: number[]
}

/**
 * A call's way and back through shim and daemon, beside the same in one process, and beside that one process
 * behind a `cat` in each direction: what any shim must cost that does nothing but pass bytes on.
 */
export const roundTrip: Bench = {
  name: 'round-trip',
  async run(world, sizes, cleanup) {
    const tenant = await world.tenant()
    const machine = cleanup.own(await Machine.make(tenant), (made) => made.remove())
    await machine.product()
    await machine.start()
    const { client: ours } = await machine.installation.agent()
    const env = await sessionEnvironment(world, tenant)
    const inProcess = await connect(process.execPath, [PER_SESSION_SERVER], env)
    cleanup.own(inProcess, (made) => made.close())
    const script = 'cat | "$0" "$1" | cat'
    const piped = await connect('sh', ['-c', script, process.execPath, PER_SESSION_SERVER], env)
    cleanup.own(piped, (made) => made.close())
    const subjects = { ours, 'in process': inProcess, 'cat pipe': piped } as const
    const figures: Figure[] = []
    const series: Record<string, Summary> = {}
    for (const question of QUESTION_NAMES) {
      const measured = await measure(subjects, question, times(sizes, 10))
      figures.push(...compare(question, measured))
      for (const [name, { all }] of Object.entries(measured))
        series[`${question}, ${name}, ms`] = summarise(all)
    }
    return { figures, series }
  },
}

const QUESTION_NAMES: readonly Question[] = ['tool call (health)', 'request without work (prompts/get)']

type Subjects = Readonly<Record<'ours' | 'in process' | 'cat pipe', Client>>
type Measured = Record<keyof Subjects, Rounds>

async function measure(subjects: Subjects, question: Question, rounds: number): Promise<Measured> {
  const empty = (): Rounds => ({ p50: [], p99: [], all: [] })
  const measured: Measured = { ours: empty(), 'in process': empty(), 'cat pipe': empty() }
  const names: readonly (keyof Subjects)[] = ['ours', 'in process', 'cat pipe']
  for (let round = -2; round < rounds; round += 1) {
    for (const name of names) {
      const samples: number[] = []
      for (let n = 0; n < CALLS; n += 1) samples.push(await timed(() => QUESTIONS[question](subjects[name])))
      // The first two rounds warm up everybody's code.
      if (round < 0) continue
      measured[name].p50.push(median(samples))
      measured[name].p99.push(percentile(samples, 99))
      measured[name].all.push(...samples)
    }
  }
  return measured
}

function compare(question: Question, measured: Measured): Figure[] {
  const reading = (name: keyof Measured, p: 'p50' | 'p99') => ms(`${name} ${p}`, median(measured[name][p]))
  return [
    ratio(question, reading('ours', 'p50'), reading('in process', 'p50'), 2),
    ratio(question, reading('ours', 'p50'), reading('cat pipe', 'p50'), 1.3),
    ratio(question, reading('ours', 'p99'), reading('cat pipe', 'p99'), 1.5),
  ]
}

async function connect(command: string, args: string[], env: Record<string, string>): Promise<Client> {
  const client = new Client({ name: 'bench', version: '1.0.0' })
  await client.connect(new StdioClientTransport({ command, args, env, stderr: 'inherit' }))
  return client
}
