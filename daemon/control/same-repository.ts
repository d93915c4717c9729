/**
 * Whether two URLs of `origin` may mean one repository: https, ssh with an alias of the host, a mirror. What must agree
 * is the end of their paths, owner and name.
 */
export function mayBeSameRepository(one: string, other: string): boolean {
  return ownerAndName(one) === ownerAndName(other)
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
