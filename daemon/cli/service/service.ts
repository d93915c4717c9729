export interface Installed {
  /** The text, or undefined: there is none. */
  readonly text: string | undefined
  /** The home that it runs the daemon for, where the text tells. */
  readonly home: string | undefined
  /** It is of the home that was asked for. */
  readonly isOurs: boolean
}

/** The daemon of one home as its supervisor knows it. */
export interface Service {
  readonly kind: 'systemd' | 'launchd'
  /** `scrum4me-daemon.service`, `com.scrum4me.daemon`. */
  readonly name: string
  readonly scope: 'user' | 'system'
  /** The unit or property list. */
  readonly file: string
  /** Its text as this installation renders it, with absolute paths. */
  render(): Promise<string>
  /** What is installed under this name, which may be of another home. */
  installedFor(): Promise<Installed>
  /** Writes the text and makes it start at boot or login; does not start it. */
  enable(text: string): Promise<void>
  /** Stops it, undoes `enable` and removes the file. */
  remove(): Promise<void>
  /** Returns when it is ready. */
  start(): Promise<void>
  stop(): Promise<void>
  /** Starts it at once, also while the supervisor pauses before doing so. */
  restart(): Promise<void>
  /** The command that shows its log, where the supervisor keeps it; else undefined. */
  logCommand(lines: number, follow: boolean): readonly string[] | undefined
}
