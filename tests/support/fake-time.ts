import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** libfaketime, in Debian's multiarch directory or where others put it; undefined where it is not installed. */
export async function findFakeTime(): Promise<string | undefined> {
  if (process.platform !== 'linux') return undefined
  const folders = await readdir('/usr/lib').catch(() => [])
  return [...folders.map((name) => join('/usr/lib', name)), '/usr/lib', '/usr/lib64']
    .map((folder) => join(folder, 'faketime', 'libfaketimeMT.so.1'))
    .find((file) => existsSync(file))
}
