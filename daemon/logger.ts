import { pino } from 'pino'

/** What every service gets; a child logger carries its service's name. */
export type Logger = Pick<pino.Logger, 'debug' | 'info' | 'warn' | 'error' | 'fatal'> & {
  child(bindings: { service: string }): Logger
}

export interface LogSink {
  /** One JSON line, newline included. Must not block and must not throw. */
  write(line: string): void
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

/** Structured log: one JSON object a line with `level`, ISO `time`, `service`, `msg`. */
export function createLogger(level: LogLevel, sink: LogSink): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    sink,
  )
}

export const silentLogger: Logger = createLogger('silent', { write: () => undefined })
