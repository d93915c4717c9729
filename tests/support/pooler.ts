/**
 * What a transaction pooler does to the bytes of a PostgreSQL server, for `startProxy`: another cancellation
 * key (message K), and notifications (A) that never arrive. Expects whole messages in each chunk, which is
 * how a local server sends short answers.
 */
export function pretendPooler(chunk: Buffer): Buffer {
  const kept: Buffer[] = []
  for (let at = 0; at < chunk.length; ) {
    const length = at + 5 <= chunk.length ? 1 + chunk.readUInt32BE(at + 1) : chunk.length - at
    const message = Buffer.from(chunk.subarray(at, at + length))
    const type = String.fromCharCode(message[0] ?? 0)
    if (type === 'K') message.writeUInt32BE(4_000_000_000, 5)
    if (type !== 'A') kept.push(message)
    at += length
  }
  return Buffer.concat(kept)
}
