import { realpath } from 'node:fs/promises'

/**
 * The path of this node for what outlives its file: service definitions, agents' configurations, processes that the
 * daemon starts later. Homebrew runs it from a directory of its version, `<prefix>/Cellar/node/24.1.0/bin/node`, which
 * the next upgrade removes; `<prefix>/opt/node/bin/node` leads to whichever version is there.
 */
export async function stableNode(path: string = process.execPath): Promise<string> {
  const [, prefix, formula] = /^(.+)\/Cellar\/([^/]+)\/[^/]+\/bin\/node$/.exec(path) ?? []
  if (prefix === undefined || formula === undefined) return path
  const stable = `${prefix}/opt/${formula}/bin/node`
  const leadsTo = (one: string) => realpath(one).catch(() => undefined)
  const target = await leadsTo(stable)
  return target !== undefined && target === (await leadsTo(path)) ? stable : path
}
