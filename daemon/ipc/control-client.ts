import { dirname } from 'node:path'
import { codeOf, DaemonError, ERROR_CODES, type ErrorCode } from '../errors.ts'
import { VERSION } from '../version.ts'
import { checkPrivateDirectory } from '../wire/check-private-directory.ts'
import { dial, type Line } from '../wire/dial.ts'
import type { ControlHello, Refusal } from '../wire/hello.ts'
import { isRecord } from '../wire/json-rpc.ts'
import { EVENT, type EventName, PROTOCOL } from '../wire/protocol.ts'

/**
 * not_running: nobody listens · not_answering: something does, but no hello or no answer came in time,
 * or it hung up · refused: other protocol, or its directory is not private · failed: the daemon's own error
 */
export type ControlFailure = 'not_running' | 'not_answering' | 'refused' | 'failed'

export class ControlError extends DaemonError {
  readonly failure: ControlFailure

  constructor(failure: ControlFailure, code: ErrorCode, message: string, remedy: string, cause?: unknown) {
    super(code, message, remedy, cause)
    this.failure = failure
  }
}

export interface ControlOptions {
  /** For the hello and the answer together, ms. */
  readonly timeoutMs: number
  /** For the hello alone, ms; default 2,000: a daemon that does not greet by then is not answering. */
  readonly helloMs?: number
  /** The command that starts this daemon, for messages. */
  readonly startCommand?: string
  /** uid of the user whose daemon it is, where root asks another's; default: ours. */
  readonly owner?: number
  /** The home of the installation, for the remedy where the socket's directory is not private. */
  readonly home?: string
}

/**
 * Asks the daemon behind `socketPath` one thing and returns the result as it came. Throws ControlError.
 * Imports neither the MCP SDK nor zod nor a logger: `status` must stay quick.
 */
export async function control(
  socketPath: string,
  method: string,
  params: unknown,
  options: ControlOptions,
): Promise<unknown> {
  const start = options.startCommand ?? 'scrum4me-daemon start'
  const absent = (cause: unknown) =>
    new ControlError('not_running', 'DAEMON_UNREACHABLE', 'No daemon is running', `Start it: ${start}`, cause)
  try {
    await checkPrivateDirectory(dirname(socketPath), { uid: options.owner, home: options.home })
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw absent(error)
    if (error instanceof DaemonError)
      throw new ControlError('refused', error.code, error.message, error.remedy)
    throw error
  }
  return await new Promise((resolve, reject) => {
    let connected = false
    let line: Line | undefined
    const finish = (settle: () => void) => {
      clearTimeout(helloTimer)
      clearTimeout(timer)
      line?.close()
      settle()
    }
    const fail = (error: Error) => finish(() => reject(error))
    const silent = (what: string) =>
      new ControlError(
        'not_answering',
        'DAEMON_UNREACHABLE',
        `The daemon does not answer (${what}); it was left alone`,
        'It may be busy or stopped: try again; if it stays so, read `scrum4me-daemon logs`, then `scrum4me-daemon restart`',
      )
    const helloMs = Math.min(options.helloMs ?? 2_000, options.timeoutMs)
    const helloTimer = setTimeout(() => fail(silent(`no hello within ${helloMs} ms`)), helloMs)
    const timer = setTimeout(
      () => fail(silent(`no answer to ${method} within ${options.timeoutMs} ms`)),
      options.timeoutMs,
    )
    const send = (event: EventName, data: unknown) => {
      if (line === undefined) return
      try {
        line.socket.write(line.encode(event, data))
      } catch (error) {
        fail(
          new ControlError(
            'failed',
            'VALIDATION_ERROR',
            'The request is too large',
            'Send less at a time',
            error,
          ),
        )
      }
    }
    line = dial(socketPath, {
      connected() {
        connected = true
        const hello: ControlHello = {
          role: 'control',
          protocol: PROTOCOL,
          version: VERSION,
          pid: process.pid,
        }
        send(EVENT.hello, hello)
      },
      received(event, data) {
        if (event === EVENT.welcome) {
          clearTimeout(helloTimer)
          send(EVENT.control, { id: 1, method, params })
        } else if (event === EVENT.refused) fail(refused(data))
        else if (event === EVENT.reply) finish(() => readReply(data, resolve, reject))
      },
      closed(error) {
        if (connected) return fail(silent('it closed the connection'))
        const code = codeOf(error)
        if (code === 'ENOENT' || code === 'ECONNREFUSED') return fail(absent(error))
        fail(silent(`connecting failed: ${code ?? 'unknown error'}`))
      },
    })
  })
}

function readReply(data: unknown, resolve: (result: unknown) => void, reject: (error: Error) => void): void {
  if (isRecord(data) && data.ok === true) {
    resolve(data.result)
    return
  }
  const error = isRecord(data) && isRecord(data.error) ? data.error : {}
  const code = ERROR_CODES.find((known) => known === error.code) ?? 'INTERNAL'
  reject(new ControlError('failed', code, text(error.message, 'The daemon failed'), text(error.remedy, '')))
}

function refused(data: unknown): ControlError {
  const refusal: Partial<Record<keyof Refusal, unknown>> = isRecord(data) ? data : {}
  return new ControlError(
    'refused',
    refusal.code === 'PROTOCOL_MISMATCH' ? 'PROTOCOL_MISMATCH' : 'VALIDATION_ERROR',
    text(refusal.message, 'The daemon refused the connection'),
    text(refusal.remedy, 'Run the CLI and the daemon from the same installation'),
  )
}

function text(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise
}
