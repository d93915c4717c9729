/** Notifications on the channel `scrum4me_changes`, parsed as JSON, whoever sent them. */
export interface Changes {
  /** Returns the function that ends the subscription. A listener must not throw. */
  subscribe(listener: (change: unknown) => void): () => void
}
