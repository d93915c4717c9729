import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../../errors.ts'
import type { Git } from './git.ts'
import { readPlainFile } from './read-plain-file.ts'
import { commitOf } from './refs.ts'
import { onClone, type Repository } from './repository.ts'

const OBJECT_ID = /^([0-9a-f]{40}|[0-9a-f]{64})$/

/**
 * The commit that a branch ref names; null when there is none. Read from git's files (gitrepository-layout(5)),
 * loose before packed as git does, because a file is read sooner than a process is started.
 */
export async function branchTip(git: Git, repository: Repository, ref: string): Promise<string | null> {
  const text = await textOf(repository, ref)
  return OBJECT_ID.test(text ?? '') ? text : commitOf(git, onClone(repository), ref)
}

/** True when there are certainly no such refs; false when there is one, or when only git could tell. */
export async function areAbsent(repository: Repository, refs: readonly string[]): Promise<boolean> {
  const { commonDir, refsInFiles } = repository
  if (!refsInFiles) return false
  const loose = refs.map((ref) => lstat(join(commonDir, ref)).then(() => null, emptyIfMissing))
  const [packed, ...found] = await Promise.all([packedRefs(commonDir), ...loose])
  const isPacked = (ref: string) => packed?.includes(` ${ref}\n`) !== false
  return found.every((one) => one === '') && !refs.some(isPacked)
}

/** What the ref's file or its packed line says; empty: there is neither; null: only git can tell. */
async function textOf({ commonDir, refsInFiles }: Repository, ref: string): Promise<string | null> {
  if (!refsInFiles) return null
  const loose = await readPlainFile(join(commonDir, ref))
  if (loose === null) return null
  if (loose !== '') return loose.trim() || null
  const packed = await packedRefs(commonDir)
  if (packed === null) return null
  const end = packed.indexOf(` ${ref}\n`)
  return end === -1 ? '' : ownCopy(packed.slice(packed.lastIndexOf('\n', end) + 1, end))
}

/** Lines of an id, a space and a ref; null: there are too many, or they cannot be read. */
function packedRefs(commonDir: string): Promise<string | null> {
  return readPlainFile(join(commonDir, 'packed-refs'))
}

/** A part of a text keeps all of it in memory, and an id is remembered for a day, beside megabytes of packed refs. */
function ownCopy(part: string): string {
  return Buffer.from(part, 'latin1').toString('latin1')
}

function emptyIfMissing(error: unknown): '' | null {
  return codeOf(error) === 'ENOENT' ? '' : null
}
