import { execFile } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readFile, realpath, stat } from 'node:fs/promises'
import { z } from 'zod'
import { RecordStore } from './record-store.ts'

const RECORD = z.object({ instance_id: z.string().min(1), bound_to: z.string().min(1) })

/**
 * Kept twice: with the name, this home would lose what it holds. Its jobs and its worktrees, unsaved work in them
 * included, would be another installation's, which nobody is any more.
 */
const PLACE = 'instance'
const COPY = 'instance-copy'

/**
 * This installation's name in `claude_workers.instance_id`: stable across restarts, and bound to the
 * machine and the home's place, so that a copied home becomes a worker of its own (contract 3).
 */
export async function readInstanceId(home: string, stateDir: string): Promise<string> {
  await mkdir(stateDir, { recursive: true, mode: 0o700 })
  const machine = await machineId(home)
  const store = new RecordStore(stateDir, (value) => RECORD.safeParse(value).data, { durable: true })
  const boundTo = createHash('sha256')
    .update(`${machine ?? (await inodeOf(home))}\n${await realpath(home)}`)
    .digest('hex')
  const { records } = await store.load()
  // A machine that cannot be asked is no other one: its jobs are still ours.
  const ours = (place: string) => {
    const known = records.get(place)
    return machine === undefined || known?.bound_to === boundTo ? known : undefined
  }
  const [first, second] = [ours(PLACE), ours(COPY)]
  const known = first ?? second
  const record = known ?? { instance_id: randomUUID(), bound_to: boundTo }
  if (known === undefined) await store.put(PLACE, record)
  // One is enough for now: a disk that takes no second one must not keep the daemon from starting.
  else if (first === undefined) await store.put(PLACE, record).catch(() => undefined)
  if (second === undefined) await store.put(COPY, record).catch(() => undefined)
  return record.instance_id
}

/**
 * What a copy of the home on another machine does not have: the machine's own id, or, where there is none
 * (many containers), the home's inode. Undefined: macOS did not say.
 */
async function machineId(home: string): Promise<string | undefined> {
  for (const file of ['/etc/machine-id', '/var/lib/dbus/machine-id']) {
    const text = await readFile(file, 'utf8').catch(() => '')
    if (text.trim() !== '') return text.trim()
  }
  if (process.platform === 'darwin') {
    return /"IOPlatformUUID" = "([^"]+)"/.exec(await ioreg())?.[1]
  }
  return inodeOf(home)
}

async function inodeOf(home: string): Promise<string> {
  return `inode ${(await stat(home)).ino}`
}

function ioreg(): Promise<string> {
  const options = { env: { PATH: '/usr/sbin:/usr/bin:/bin' }, timeout: 10_000 }
  return new Promise((resolve) => {
    execFile('ioreg', ['-rd1', '-c', 'IOPlatformExpertDevice'], options, (_error, stdout) => resolve(stdout))
  })
}
