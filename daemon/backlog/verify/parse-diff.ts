/** One entry of `git diff-index --raw -z`. */
export interface RawChange {
  readonly path: string
  readonly change: 'added' | 'modified' | 'deleted'
  /** Blob on the side compared with, hexadecimal. */
  readonly baseBlob: string
  /** The file on disk differs from the index, as far as times and sizes tell, or is gone. */
  readonly onDisk: boolean
}

/** `:100644 100644 <sha> <sha> M\0<path>\0 …`; without rename detection every entry has one path. */
export function parseChangedFiles(output: string): RawChange[] {
  const parts = output.split('\0')
  const changes: RawChange[] = []
  for (let index = 0; index + 1 < parts.length; index += 2) {
    const [, , baseBlob = '', blob = '', status = ''] = (parts[index] ?? '').split(' ')
    const change = status === 'A' ? 'added' : status === 'D' ? 'deleted' : 'modified'
    changes.push({ path: parts[index + 1] ?? '', change, baseBlob, onDisk: /^0+$/.test(blob) })
  }
  return changes
}

export interface CountedFile {
  readonly path: string
  readonly added: number
  readonly deleted: number
}

/** `git diff-tree --numstat -z`: `<added>\t<deleted>\t<path>\0 …`, `-` for binary files. */
export function parseCounts(output: string): CountedFile[] {
  return output
    .split('\0')
    .map((entry) => entry.split('\t'))
    .filter((fields) => fields.length >= 3)
    .map(([added, deleted, ...path]) => ({
      path: path.join('\t'),
      added: Number(added) || 0,
      deleted: Number(deleted) || 0,
    }))
}

/** Path to added lines, from a patch without context lines. */
export function parsePatch(patch: string): Map<string, string> {
  const added = new Map<string, string>()
  let path: string | undefined
  let removals = 0
  let additions = 0
  for (const line of patch.split('\n')) {
    if (removals > 0 && line.startsWith('-')) removals -= 1
    else if (additions > 0 && line.startsWith('+')) {
      additions -= 1
      if (path !== undefined) added.set(path, `${added.get(path) ?? ''}${line.slice(1)}\n`)
    } else if (line.startsWith('+++ ')) path = pathOf(line.slice(4))
    else {
      // The counts tell content from headers: an added line may read `++ b/x`.
      const hunk = /^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@/.exec(line)
      if (hunk === null) continue
      removals = Number(hunk[1] ?? 1)
      additions = Number(hunk[2] ?? 1)
    }
  }
  return added
}

function pathOf(name: string): string | undefined {
  // Git ends a name that has a space with a tab.
  const plain = name.replace(/\t$/, '')
  return plain.startsWith('b/') ? plain.slice(2) : undefined
}
