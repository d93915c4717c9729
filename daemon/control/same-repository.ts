/** Whether two URLs name one repository of one host, whatever the protocol. Of a path on this machine it is not known. */
export function isSameRepository(one: string, other: string): boolean {
  const [ours, theirs] = [placeOf(one), placeOf(other)]
  if (ours.host === null) return false
  return ours.host === theirs.host && ours.path.join('/') === theirs.path.join('/')
}

/**
 * Whether two values of `remote.origin.url` may mean one repository: https, ssh with an alias of the host, a mirror.
 * What must agree is the end of their paths, owner and name. A path on this machine says nothing of the owner, so that
 * beside a URL it may be anybody's.
 */
export function mayBeSameRepository(one: string, other: string): boolean {
  const [ours, theirs] = [placeOf(one), placeOf(other)]
  if ((ours.host === null) !== (theirs.host === null)) return true
  return ours.path.slice(-2).join('/') === theirs.path.slice(-2).join('/')
}

interface Place {
  /** Null: this machine. */
  readonly host: string | null
  readonly path: readonly string[]
}

/** As git reads it: `scheme://[user@]host[:port]/path`, or `[user@]host:path`, else a path. */
function placeOf(url: string): Place {
  const match =
    /^(?!file:)(?:[a-z][a-z0-9+.-]*:\/\/(?:[^/]*@)?([^/:@]+)(?::\d+)?|(?:[^/]*@)?([^/:@]+):)(.*)$/is.exec(url)
  const host = match?.[1] ?? match?.[2] ?? null
  const path = (host === null ? url.replace(/^file:\/\//i, '') : (match?.[3] ?? '')).split('/').filter(isName)
  // Also `shop/.git`.
  const last = path.pop()?.replace(/\.git$/i, '') ?? ''
  path.push(...[last].filter(isName))
  return { host: host?.toLowerCase() ?? null, path: path.map((part) => part.toLowerCase()) }
}

const isName = (part: string) => part !== ''
