/**
 * How a worktree says whose it is: git's own lock reason, which also keeps a person's `worktree prune`
 * away (contract 5). Reconciliation touches no worktree whose reason names another installation.
 */
export interface Marker {
  readonly instanceId: string
  readonly kind: 'job' | 'spare'
  /** Job id, or the spare's name. */
  readonly id: string
}

export function markerText(marker: Marker): string {
  return marker.kind === 'job'
    ? `scrum4me inst=${marker.instanceId} job=${marker.id}`
    : `scrum4me inst=${marker.instanceId} spare=${marker.id} (kept ready for the next job; SCRUM4ME_SPARE_WORKTREES=off ends this)`
}

export function parseMarker(lockReason: string | null): Marker | null {
  const match = /^scrum4me inst=(\S+) (job|spare)=(\S+)/.exec(lockReason ?? '')
  const [, instanceId, kind, id] = match ?? []
  if (instanceId === undefined || id === undefined) return null
  return { instanceId, kind: kind === 'job' ? 'job' : 'spare', id }
}
