import { createConnection, createServer, type NetConnectOpts, type Socket } from 'node:net'
import { join } from 'node:path'

/**
 *   forward     passes bytes, after `latencyMs` each way
 *   blackhole   accepts and swallows: nothing arrives, nothing is closed (a half-open link)
 *   refuse      nobody listens
 */
export type ProxyMode = 'forward' | 'blackhole' | 'refuse'

export interface TestProxy {
  /** A loopback port; use it as `host=127.0.0.1`. */
  readonly port: number
  /** `url` of the real server with this proxy in its place. */
  url(real: string): string
  setMode(mode: ProxyMode): Promise<void>
  setLatency(ms: number): void
  /** Resets every open connection (RST), new ones are served. */
  reset(): void
  readonly connections: number
  close(): Promise<void>
}

/** A proxy in front of the PostgreSQL socket in `socketDir`, with a `pooler`'s manners if asked for. */
export async function startProxy(
  socketDir: string,
  onServerBytes: (chunk: Buffer, socket: Socket) => Buffer = (chunk) => chunk,
): Promise<TestProxy> {
  const target: NetConnectOpts = { path: join(socketDir, '.s.PGSQL.5432') }
  const pairs = new Map<Socket, Socket>()
  let mode: ProxyMode = 'forward'
  let latency = 0

  const pipe = (from: Socket, to: Socket, change: (chunk: Buffer) => Buffer) => {
    from.on('data', (chunk) => {
      if (mode !== 'forward') return
      const changed = change(chunk)
      if (latency > 0) setTimeout(() => to.writable && to.write(changed), latency)
      else to.write(changed)
    })
    from.on('error', () => undefined)
    // In a blackhole an end is swallowed like everything else.
    from.on('close', () => mode === 'forward' && to.destroy())
  }
  const server = createServer((client) => {
    const upstream = createConnection(target)
    pairs.set(client, upstream)
    client.on('close', () => {
      pairs.delete(client)
      upstream.destroy()
    })
    pipe(client, upstream, (chunk) => chunk)
    pipe(upstream, client, (chunk) => onServerBytes(chunk, client))
  })
  const listen = (port: number) =>
    new Promise<number>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', () => {
        const address = server.address()
        resolve(typeof address === 'object' && address !== null ? address.port : 0)
      })
    })
  const port = await listen(0)
  const dropAll = () => {
    for (const client of pairs.keys()) client.resetAndDestroy()
  }
  const unlisten = () =>
    new Promise<void>((resolve) => {
      if (!server.listening) return resolve()
      server.close(() => resolve())
      dropAll()
    })
  return {
    port,
    url: (real) => {
      const url = new URL(real)
      url.searchParams.delete('host')
      url.hostname = '127.0.0.1'
      url.port = String(port)
      return url.href
    },
    setMode: async (next) => {
      mode = next
      if (next === 'refuse') await unlisten()
      else if (!server.listening) await listen(port)
    },
    setLatency: (ms) => {
      latency = ms
    },
    reset: dropAll,
    get connections() {
      return pairs.size
    },
    close: unlisten,
  }
}
