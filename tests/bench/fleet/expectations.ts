import { loadOf } from './arithmetic.ts'

/** The arithmetic, as text: what fleets of three sizes ask for by the contract's own numbers. */
export function expectations(): string {
  const loads = [2_000, 10_000, 100_000].map(loadOf)
  const row = (name: string, values: readonly number[]) =>
    `${name.padEnd(38)}${values.map((value) => (value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString('en')).padStart(16)).join('')}\n`
  return [
    'By arithmetic (a beat every 5 s; one machine in five holds a job; four jobs an hour each):\n',
    row(
      'machines',
      loads.map(({ machines }) => machines),
    ),
    row(
      'users',
      loads.map(({ users }) => users),
    ),
    row(
      'heartbeats a second',
      loads.map(({ beats }) => beats),
    ),
    row(
      'lease renewals a second',
      loads.map(({ leases }) => leases),
    ),
    row(
      'jobs a second',
      loads.map(({ jobs }) => jobs),
    ),
    row(
      'notifications a second',
      loads.map(({ notifications }) => notifications),
    ),
    row(
      '  delivered to listening connections',
      loads.map(({ deliveries }) => deliveries),
    ),
    row(
      'connections (idle machines)',
      loads.map(({ connections }) => connections),
    ),
    '\n',
  ].join('')
}
