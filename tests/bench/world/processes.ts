import { readdir, readFile } from 'node:fs/promises'

/** Whether this system tells what a process costs; elsewhere those figures are left out. */
export const PROCESSES_TELL = process.platform === 'linux'

/** Clock ticks of /proc: the kernel shows 100 a second on every architecture Node runs on. */
const TICK_MS = 10

/** MB of memory that these processes take together, what several share counted once (PSS). */
export async function pssMb(pids: readonly number[]): Promise<number> {
  let kb = 0
  for (const pid of pids) kb += field(await readFile(`/proc/${pid}/smaps_rollup`, 'utf8'), 'Pss')
  return kb / 1024
}

export async function rssMb(pid: number): Promise<number> {
  return field(await readFile(`/proc/${pid}/status`, 'utf8'), 'VmRSS') / 1024
}

/** ms of processor time of all its threads, and of its children that have ended. */
export async function cpuMs(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) * TICK_MS
}

/** A process and everything below it. */
export async function tree(root: number): Promise<number[]> {
  const parents = new Map<number, number>()
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const text = await readFile(`/proc/${name}/stat`, 'latin1').catch(() => '')
    const parent = text.slice(text.lastIndexOf(')') + 2).split(' ')[1]
    if (parent !== undefined) parents.set(Number(name), Number(parent))
  }
  const found = [root]
  for (const pid of found) for (const [child, parent] of parents) if (parent === pid) found.push(child)
  return found
}

function field(text: string, name: string): number {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)
  if (match?.[1] === undefined) throw new Error(`no ${name}`)
  return Number(match[1])
}
