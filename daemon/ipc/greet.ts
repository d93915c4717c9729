import type { Paths } from '../paths.ts'
import { daemonCommand } from '../wire/daemon-command.ts'
import type { Hello, Refusal, Welcome } from '../wire/hello.ts'
import { parseHello, parseProtocolRange } from '../wire/parse-hello.ts'
import { agree, PROTOCOL, type ProtocolRange } from '../wire/protocol.ts'

export type Greeting = { readonly hello: Hello; readonly welcome: Welcome } | { readonly refusal: Refusal }

/** Answers a peer's first message. `welcome` is what this daemon says of itself. */
export function greet(
  data: unknown,
  welcome: Welcome,
  paths: Pick<Paths, 'home' | 'isDefaultHome'>,
  ours: ProtocolRange = PROTOCOL,
): Greeting {
  const theirs = parseProtocolRange(data)
  const protocol = theirs === undefined ? undefined : agree(ours, theirs)
  if (theirs !== undefined && protocol === undefined)
    return { refusal: mismatch(ours, theirs, welcome, paths) }
  const hello = parseHello(data)
  if (typeof hello === 'string' || protocol === undefined) {
    const message = typeof hello === 'string' ? hello : 'the hello names no protocol range'
    return { refusal: { code: 'VALIDATION_ERROR', message, remedy: 'Use the shim or CLI of this package.' } }
  }
  return { hello, welcome: { ...welcome, protocol } }
}

function mismatch(
  ours: ProtocolRange,
  theirs: ProtocolRange,
  welcome: Welcome,
  paths: Pick<Paths, 'home' | 'isDefaultHome'>,
): Refusal {
  const message =
    `The daemon (version ${welcome.version}) speaks protocol ${span(ours)}, ` +
    `this program speaks protocol ${span(theirs)}`
  const remedy =
    theirs.min > ours.max
      ? `The daemon is older: run \`${daemonCommand('restart', paths)}\` so that the installed version runs.`
      : `This program is older than the daemon: start it anew from the installed version (in Claude Code: \`/mcp\`, reconnect).`
  return { code: 'PROTOCOL_MISMATCH', message, remedy }
}

function span(range: ProtocolRange): string {
  return range.min === range.max ? String(range.min) : `${range.min} to ${range.max}`
}
