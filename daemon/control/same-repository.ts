/**
 * Whether two values of `remote.origin.url` may mean one repository: https, ssh with an alias of the host, a mirror.
 * What must agree is the end of their paths, owner and name. A path on this machine says nothing of the owner, so that
 * beside a URL it may be anybody's.
 */
export function mayBeSameRepository(one: string, other: string): boolean {
  return isPath(one) !== isPath(other) || ownerAndName(one) === ownerAndName(other)
}

/** As git tells: a colon before the first slash makes it another machine's. */
function isPath(url: string): boolean {
  return /^file:/i.test(url) || !/^[^/]+:/.test(url)
}

function ownerAndName(url: string): string {
  const parts = url
    .replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*/i, '')
    .replace(/\/+$/, '')
    .replace(/\.git$/i, '')
    .split(/[/:\\]/)
    .filter((part) => part !== '')
  return parts.slice(-2).join('/').toLowerCase()
}
