import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { delay } from '../lifecycle/delay.ts'
import type { Engine } from './engine.ts'
import { checkOut } from './git/check-out.ts'
import { checkoutSettings } from './git/checkout-settings.ts'
import { register } from './git/registration.ts'
import { markerText } from './marker.ts'
import type { SpareRecord } from './spare-record.ts'

/** An index is trusted without reading files only when it is younger than they are by a second, ms. */
const INDEX_AGE_MS = 1_100

/** A new spare at `sha`; when that fails, `discard` is given what there is of it. */
export async function makeSpare(
  engine: Engine,
  wish: Pick<SpareRecord, 'repoRoot' | 'sha' | 'wantedAt'>,
  discard: (spare: SpareRecord) => Promise<void>,
): Promise<void> {
  const { git, stopping } = engine
  const { sha } = wish
  const repository = await engine.repositories.open(wish.repoRoot, stopping)
  const directory = await engine.layout.spares()
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const name = `spare-${randomBytes(6).toString('hex')}`
  const path = join(directory, name)
  const { commonDir } = repository
  const settings = await checkoutSettings(repository)
  const spare: SpareRecord = { ...wish, name, path, commonDir, settings, phase: 'making', bytes: null }
  await engine.records.putSpare(spare)
  try {
    const lockReason = markerText({ instanceId: engine.instanceId, kind: 'spare', id: name })
    await engine.lock.run(commonDir, stopping, () =>
      register(git, repository, { path, sha, branch: null, lockReason }, stopping),
    )
    await checkOut(git, repository, path, { signal: stopping, low: true })
    await delay(INDEX_AGE_MS, stopping)
    const refresh = { dir: path, signal: stopping, config: repository.settings, low: true, expect: [0, 1] }
    await git.run(refresh, 'update-index', '-q', '--refresh')
    const bytes = await engine.disk.usedBytes(path, stopping)
    await engine.records.putSpare({ ...spare, phase: 'ready', bytes })
  } catch (error) {
    if (!stopping.aborted) await discard(spare)
    throw error
  }
}
