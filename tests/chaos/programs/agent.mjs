// The agent's process in a session: starts the shim when it is told to, passes lines, and is the client that
// the daemon knows the session by. Plain JavaScript, because it runs by itself. Arguments: shim, home.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const [shim, home] = process.argv.slice(2)
let child

process.on('message', (message) => {
  if (message.start === true) start()
  else child?.stdin.write(`${message.line}\n`)
})
process.on('disconnect', () => {
  child?.kill('SIGCONT')
  child?.kill('SIGKILL')
  process.exit()
})

function start() {
  child = spawn(process.execPath, [shim, '--home', home], { stdio: ['pipe', 'pipe', 'ignore'] })
  child.stdin.on('error', () => undefined)
  createInterface({ input: child.stdout }).on('line', (line) => process.send({ line }))
  child.on('close', () => process.send({ down: true }))
  process.send({ up: child.pid })
}
