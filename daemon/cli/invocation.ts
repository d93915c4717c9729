import type { Paths } from '../paths.ts'
import type { Terminal } from './terminal.ts'

/** What every subcommand gets. A command answers its exit code and throws a DaemonError when it fails. */
export interface Invocation {
  readonly terminal: Terminal
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string
  /** As `--home` said; undefined: SCRUM4ME_HOME or the default. */
  readonly home: string | undefined
  readonly paths: Paths
}
