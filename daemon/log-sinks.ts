import { LogFile } from './log-file.ts'
import { logText } from './log-text.ts'
import type { LogSink } from './logger.ts'
import type { Redactor } from './redact.ts'

/** Where the log goes, and what to await before the process ends. */
export interface LogOutput {
  readonly sink: LogSink
  readonly where: string
  flush(): Promise<void>
}

export interface LogOutputOptions {
  readonly directory: string
  readonly env: NodeJS.ProcessEnv
  readonly stderr: { readonly isTTY?: boolean | undefined; write(text: string): unknown }
  readonly redactor: Redactor
}

/**
 * Under journald the journal keeps the log, with priorities; else a file of ours does, and a terminal
 * shows it besides. Every way out passes the redactor first: no sink ever holds a secret.
 */
export function openLogOutput({ directory, env, stderr, redactor }: LogOutputOptions): LogOutput {
  const clean = (sink: LogSink): LogSink => ({ write: (line) => sink.write(redactor.clean(line)) })
  if (env.JOURNAL_STREAM) {
    const sink = clean({ write: (line) => void stderr.write(journalLine(line)) })
    return { sink, where: 'journal', flush: async () => undefined }
  }
  const file = new LogFile(directory)
  const sink = clean({
    write: (line) => {
      file.write(line)
      if (stderr.isTTY) stderr.write(`${logText(line.trimEnd(), !env.NO_COLOR)}\n`)
    },
  })
  return { sink, where: file.path, flush: () => file.flush() }
}

const PRIORITIES: Record<string, number> = { fatal: 2, error: 3, warn: 4, info: 6, debug: 7, trace: 7 }

/** journald reads and strips `<N>`; without it every line has priority 6. */
export function journalLine(line: string): string {
  const level = /"level":"([a-z]+)"/.exec(line)?.[1] ?? 'info'
  return `<${PRIORITIES[level] ?? 6}>${line}`
}
