/** Whom a call acts for: the user behind the machine's API token. */
export interface Caller {
  readonly userId: string
  readonly tokenId: string
  readonly isDemo: boolean
}
