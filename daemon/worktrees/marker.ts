/**
 * How a worktree says whose it is: git's own lock reason, which also keeps a person's `worktree prune`
 * away (contract 5). Reconciliation touches no worktree whose reason names another installation.
 */
export interface Marker {
  readonly instanceId: string
  /** `restore`: saved work is being put back; a cut-off one is taken away again. */
  readonly kind: 'job' | 'spare' | 'restore'
  /** Job id, or the spare's name. */
  readonly id: string
}

export function markerText(marker: Marker): string {
  const text = `scrum4me inst=${marker.instanceId} ${marker.kind}=${marker.id}`
  return marker.kind === 'spare'
    ? `${text} (kept ready for the next job; SCRUM4ME_SPARE_WORKTREES=off ends this)`
    : text
}

export function parseMarker(lockReason: string | null): Marker | null {
  const match = /^scrum4me inst=(\S+) (job|spare|restore)=(\S+)/.exec(lockReason ?? '')
  const [, instanceId, kind, id] = match ?? []
  if (instanceId === undefined || id === undefined) return null
  return { instanceId, kind: kind === 'spare' || kind === 'restore' ? kind : 'job', id }
}
