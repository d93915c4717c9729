import type { Frame } from 'node-ipc/parsers'
import { FrameParser } from './frame-parser.ts'
import { EVENT } from './protocol.ts'

const OPEN = `{"type":"${EVENT.mcp}","data":`

/**
 * Hands a session's messages over as the JSON they came in (`data` is a string): what passes through
 * is neither parsed and rebuilt at a cost, nor changed, not even a number that JavaScript cannot hold.
 */
export class VerbatimParser extends FrameParser {
  override decodeMessage(frame: string): Frame {
    if (!frame.startsWith(OPEN)) return super.decodeMessage(frame)
    return { type: EVENT.mcp, data: frame.slice(OPEN.length, -1) }
  }
}

/** The frame of one message given as JSON. */
export function verbatimFrame(json: string): string {
  return `${OPEN}${json}}\f`
}
