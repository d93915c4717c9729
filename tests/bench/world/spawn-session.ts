import { type ChildProcess, spawn } from 'node:child_process'
import { sharedNow } from './clock.ts'

const INITIALIZE = `${JSON.stringify({
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: {
    protocolVersion: '2025-06-18',
    capabilities: { roots: { listChanged: true } },
    clientInfo: { name: 'bench', version: '1.0.0' },
  },
})}\n`

/** ms from before the spawn to the exit of a Node that does nothing: no session can start sooner. */
export async function spawnToExit(env: Record<string, string>): Promise<number> {
  const from = sharedNow()
  const child = spawn(process.execPath, ['-e', '0'], { env, stdio: 'ignore' })
  await exit(child)
  return sharedNow() - from
}

/** ms from before the spawn to the first line on stdout, the answer to `initialize`; then the session ends. */
export async function spawnToInitialize(script: string, env: Record<string, string>): Promise<number> {
  const from = sharedNow()
  const child = spawn(process.execPath, [script], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = exit(child)
  child.stdin.write(INITIALIZE)
  let text = ''
  const at = await new Promise<number>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${script} ended with ${code} before it answered`)))
    child.stdout.on('data', (data) => {
      text += data
      if (text.includes('\n')) resolve(sharedNow())
    })
  })
  if (!text.includes('"protocolVersion"')) throw new Error(`no answer to initialize: ${text.slice(0, 200)}`)
  child.stdin.end()
  await ended
  return at - from
}

function exit(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once('exit', resolve)
    child.once('error', reject)
  })
}
