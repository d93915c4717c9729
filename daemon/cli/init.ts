import { resolve } from 'node:path'
import { DaemonError, toDaemonError } from '../errors.ts'
import { askRaw } from './ask-daemon.ts'
import type { Invocation } from './invocation.ts'
import { recordRoot } from './record-root.ts'
import { Reply } from './reply.ts'
import { printable } from './style.ts'

export interface InitOptions {
  readonly name?: string
  readonly json?: boolean
}

/** Makes a git repository a product of the connected database and records its root. */
export async function init(
  invocation: Invocation,
  path: string | undefined,
  options: InitOptions,
): Promise<number> {
  const { terminal, cwd } = invocation
  const params = {
    path: resolve(cwd, path ?? '.'),
    ...(options.name === undefined ? {} : { name: options.name }),
  }
  const reply = new Reply(await askRaw(invocation, 'init', params))
  const [id, name, root] = [reply.text('product_id'), reply.text('name'), reply.text('repo_root')]
  const made = `${reply.flag('created') ? 'Created' : 'Found'} product ${printable(name)} (${id})`
  try {
    await recordRoot(reply.text('agent_config'), id, root)
  } catch (error) {
    // The product is there all the same: whoever reads this must not make another.
    const { code, message, remedy } = toDaemonError(error)
    throw new DaemonError(code, `${made}, but did not record where it is: ${message}`, remedy, error)
  }
  if (options.json) terminal.out(JSON.stringify({ product_id: id, name, repo_root: root }, null, 2))
  else {
    terminal.out(made)
    terminal.out(`Its repository here: ${root}`)
    const also = reply.texts('also').map(printable)
    if (also.length > 0) terminal.out(`It is the repository of ${also.join(', ')} as well.`)
    if (reply.flag('empty')) terminal.out('It has no commit yet; until it has one, no job of it can start.')
  }
  return 0
}
