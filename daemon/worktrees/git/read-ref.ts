import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../../errors.ts'
import type { Git } from './git.ts'
import { commitOf } from './refs.ts'
import { onClone, type Repository } from './repository.ts'

/** A clone with more packed refs than this (some 60,000) lets git search them. Bytes. */
const MAX_PACKED_BYTES = 4 * 1024 * 1024
const OBJECT_ID = /^([0-9a-f]{40}|[0-9a-f]{64})$/

/**
 * The commit that a branch ref names; null when there is none. Read from git's files (gitrepository-layout(5)),
 * loose before packed as git does, because a file is read sooner than a process is started.
 */
export async function branchTip(git: Git, repository: Repository, ref: string): Promise<string | null> {
  const text = await textOf(repository, ref)
  return OBJECT_ID.test(text ?? '') ? text : commitOf(git, onClone(repository), ref)
}

/** True when there is certainly no such ref; false when there is one, or when only git could tell. */
export async function isAbsent(repository: Repository, ref: string): Promise<boolean> {
  return (await textOf(repository, ref)) === ''
}

/** What the ref's file or its packed line says; empty: there is neither; null: only git can tell. */
async function textOf({ commonDir, refsInFiles }: Repository, ref: string): Promise<string | null> {
  if (!refsInFiles) return null
  const loose = await readFile(join(commonDir, ref), 'utf8').catch(emptyIfMissing)
  if (loose === null) return null
  if (loose !== '') return loose.trim() || null
  const packed = join(commonDir, 'packed-refs')
  const size = await stat(packed).then((found) => found.size, emptyIfMissing)
  if (size === '') return ''
  if (size === null || size > MAX_PACKED_BYTES) return null
  const text = await readFile(packed, 'utf8').catch(emptyIfMissing)
  const line = text?.split('\n').find((one) => one.endsWith(` ${ref}`))
  return text === null ? null : (line?.slice(0, -ref.length - 1) ?? '')
}

function emptyIfMissing(error: unknown): '' | null {
  return codeOf(error) === 'ENOENT' ? '' : null
}
