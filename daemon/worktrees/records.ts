import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import { messageOf } from '../errors.ts'
import { RecordStore } from '../state/record-store.ts'
import { JOB_RECORD, type JobRecord } from './job-record.ts'
import { SPARE_RECORD, type SpareRecord } from './spare-record.ts'

const CLONE = z.object({
  commonDir: z.string(),
  repoRoot: z.string(),
  /** ISO, UTC: the last time a job was created here, or up to an hour before. */
  lastJobAt: z.string(),
})
export type CloneRecord = z.infer<typeof CLONE>

const OLD_MS = 3600_000

/** The engine's memory on disk (`<stateDir>/worktrees/`), held in memory while it runs. */
export class Records {
  readonly #jobStore: RecordStore<JobRecord>
  readonly #cloneStore: RecordStore<CloneRecord>
  readonly #spareStore: RecordStore<SpareRecord>
  readonly #loadJobs: () => Promise<Map<string, JobRecord>>
  readonly #loadClones: () => Promise<Map<string, CloneRecord>>
  readonly #loadSpares: () => Promise<Map<string, SpareRecord>>
  /** Why not everything is known, by directory or by the file of a job. */
  readonly #faults = new Map<string, string>()

  constructor(stateDir: string) {
    const directory = join(stateDir, 'worktrees')
    this.#jobStore = new RecordStore(join(directory, 'jobs'), (value) => JOB_RECORD.safeParse(value).data, {
      durable: true,
    })
    this.#cloneStore = new RecordStore(join(directory, 'clones'), (value) => CLONE.safeParse(value).data)
    this.#spareStore = new RecordStore(
      join(directory, 'spares'),
      (value) => SPARE_RECORD.safeParse(value).data,
    )
    const known = (name: string, fault: string | null) => {
      if (fault === null) this.#faults.delete(name)
      else this.#faults.set(name, `${join(directory, name)} cannot be read${fault}`)
    }
    this.#loadJobs = remembered(this.#jobStore, (fault, unreadable) => {
      known('jobs', fault)
      // Of a clone or a spare nothing is lost with its record, and the next job writes it anew.
      for (const name of unreadable) known(`jobs/${name}`, '')
    })
    this.#loadClones = remembered(this.#cloneStore, (fault) => known('clones', fault))
    this.#loadSpares = remembered(this.#spareStore, (fault) => known('spares', fault))
  }

  /** What could not be read: as long as it stays so, worktrees may be left as they are. */
  get faults(): readonly string[] {
    return [...this.#faults.values()]
  }

  async job(jobId: string): Promise<JobRecord | null> {
    return (await this.#loadJobs()).get(jobId) ?? null
  }

  async jobs(): Promise<JobRecord[]> {
    return [...(await this.#loadJobs()).values()]
  }

  async put(record: JobRecord): Promise<void> {
    const jobs = await this.#loadJobs()
    await this.#jobStore.put(record.jobId, record)
    this.#faults.delete(`jobs/${record.jobId}.json`)
    jobs.set(record.jobId, record)
  }

  async forget(jobId: string): Promise<void> {
    const jobs = await this.#loadJobs()
    await this.#jobStore.delete(jobId)
    this.#faults.delete(`jobs/${jobId}.json`)
    jobs.delete(jobId)
  }

  async clones(): Promise<CloneRecord[]> {
    return [...(await this.#loadClones()).values()]
  }

  async rememberClone(clone: CloneRecord): Promise<void> {
    const clones = await this.#loadClones()
    const before = [...clones.values()].find(({ commonDir }) => commonDir === clone.commonDir)
    const age = Date.parse(clone.lastJobAt) - Date.parse(before?.lastJobAt ?? '')
    if (before?.repoRoot === clone.repoRoot && age >= 0 && age < OLD_MS) return
    // A file name.
    const key = createHash('sha256').update(clone.commonDir).digest('hex').slice(0, 32)
    await this.#cloneStore.put(key, clone)
    clones.set(key, clone)
  }

  async spares(): Promise<SpareRecord[]> {
    return [...(await this.#loadSpares()).values()]
  }

  async putSpare(spare: SpareRecord): Promise<void> {
    const spares = await this.#loadSpares()
    await this.#spareStore.put(spare.name, spare)
    spares.set(spare.name, spare)
  }

  async forgetSpare(name: string): Promise<void> {
    const spares = await this.#loadSpares()
    await this.#spareStore.delete(name)
    spares.delete(name)
  }
}

/** Told why all of it cannot be read, or null and the names of files that cannot. */
type Told = (fault: string | null, unreadable: readonly string[]) => void

/** Reads them once. After a read that failed whoever asks next reads again: it may have been for a moment. */
function remembered<T>(store: RecordStore<T>, told: Told): () => Promise<Map<string, T>> {
  let read: Promise<Map<string, T>> | undefined
  const load = async () => {
    try {
      const { records, unreadable } = await store.load()
      told(null, unreadable)
      return records
    } catch (error) {
      read = undefined
      told(`: ${messageOf(error)}`, [])
      throw error
    }
  }
  return () => {
    read ??= load()
    return read
  }
}
