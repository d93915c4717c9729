import { access, constants } from 'node:fs/promises'
import { dirname } from 'node:path'

/** The path itself or the next one above that exists. */
export async function nearest(path: string): Promise<string> {
  const exists = await access(path, constants.F_OK).then(
    () => true,
    () => false,
  )
  return exists || dirname(path) === path ? path : nearest(dirname(path))
}
