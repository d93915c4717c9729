import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { git } from '../../support/git.ts'

const FILE_BYTES = 6_000
const FILES_IN_A_DIRECTORY = 100

/** A bare `origin` of so many files of 6 kB, and a clone of it; resolves to the clone's path. */
export async function repositoryOf(files: number, parent: string, name: string): Promise<string> {
  const origin = join(parent, `${name}.git`)
  const clone = join(parent, name)
  await mkdir(parent, { recursive: true })
  await git(parent, 'init', '-q', '--bare', '-b', 'main', origin)
  await fill(origin, files)
  await git(parent, 'clone', '-q', origin, clone)
  await git(clone, 'remote', 'set-head', 'origin', 'main')
  return clone
}

/** `git fast-import` takes seconds where adding as many files would take a minute. */
async function fill(origin: string, files: number): Promise<void> {
  const child = spawn('git', ['fast-import', '--quiet'], {
    cwd: origin,
    stdio: ['pipe', 'inherit', 'inherit'],
  })
  const ended = once(child, 'exit')
  const write = async (text: string | Buffer) => {
    if (!child.stdin.write(text)) await once(child.stdin, 'drain')
  }
  const message = `${files} files`
  await write('commit refs/heads/main\ncommitter Bench <bench@example.invalid> 1700000000 +0000\n')
  await write(`data ${message.length}\n${message}\n`)
  // Half of it random: about as compressible as source text.
  const common = Buffer.alloc(FILE_BYTES / 2, 'const answer = 42\n')
  for (let n = 0; n < files; n += 1) {
    const directory = `src/module-${Math.floor(n / FILES_IN_A_DIRECTORY)}`
    await write(`M 100644 inline ${directory}/file-${n}.ts\ndata ${FILE_BYTES}\n`)
    await write(Buffer.concat([common, Buffer.from(randomBytes(FILE_BYTES / 4).toString('hex'))]))
    await write('\n')
  }
  child.stdin.end()
  const [code] = await ended
  if (code !== 0) throw new Error(`git fast-import ended with ${code}`)
}
