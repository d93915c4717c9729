import { stat } from 'node:fs/promises'
import { codeOf } from '../../errors.ts'

/** A file that was changed so shortly before may be changed again within one tick of its times: two seconds on vfat. ms */
const TICK_MS = 3_000

/** The stamp of a file that is not there. */
export const ABSENT = 'absent'

/**
 * Equal to an earlier stamp of the same path: what the file said just after that, it still says. Null: that cannot be
 * told from it. Of whatever a writer sets, the time of the last change is not theirs to set.
 */
export async function fileStamp(path: string): Promise<string | null> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs, ctimeMs } = await stat(path, { bigint: true })
    if (BigInt(Date.now()) - ctimeMs < TICK_MS) return null
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ')
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? ABSENT : null
  }
}
