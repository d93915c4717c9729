import { realpath } from 'node:fs/promises'
import { basename } from 'node:path'
import { requireWriter, visibleTo } from '../backlog/access.ts'
import type { Backlog } from '../backlog/backlog.ts'
import { DaemonError } from '../errors.ts'
import type { Git } from '../worktrees/git/git.ts'
import { type Clone, findClone, withoutCredentials } from './clone.ts'
import type { ControlMethod } from './control-method.ts'
import { Params } from './params.ts'
import { isSameRepository, mayBeSameRepository } from './same-repository.ts'

const MAX_NAME = 200
const DEFINITION_OF_DONE = 'The acceptance criteria are met, tests pass, and the work is committed.'

interface ProductRow {
  readonly id: string
  readonly name: string
  readonly repo_url: string | null
}

/**
 * `{ path, name? }` → `{ product_id, name, also, repo_root, created, empty, agent_config }`. Makes the repository at
 * `path` a product; `also` names others that it is the repository of. Idempotent: the product recorded for this root
 * is taken again, else the only one of its origin, else the one of that name, else a new one is made. A name that only
 * the directory gave does not hand over the product of another repository. The caller records the root in its user's
 * file `agent_config`: under a hardened unit the daemon may not write there.
 */
export const initMethod: ControlMethod = {
  name: 'init',
  async call(rawParams, context) {
    const params = new Params(rawParams)
    const clone = await findClone(context.git, params.text('path'))
    const name = params.optionalText('name', MAX_NAME)?.trim()
    const backlog = await context.backlog()
    const known = await context.repoRoots.known()
    const recorded = await productsAt(clone.root, known)
    const found =
      (await findRecorded(backlog, recorded, name)) ??
      (name === undefined ? await findOfOrigin(backlog, clone) : undefined) ??
      (await findNamed(backlog, name ?? nameOf(clone)))
    const product = found ?? (await create(backlog, name ?? nameOf(clone), clone))
    // Whoever names it means it. One that was made by another `init` just now may be of another repository, too.
    if (name === undefined && !recorded.includes(product.id)) {
      await refuseOther(context.git, known.get(product.id)?.path, product, clone)
    }
    return {
      product_id: product.id,
      name: product.name,
      also: await namesOf(
        backlog,
        recorded.filter((id) => id !== product.id),
      ),
      repo_root: clone.root,
      created: found === undefined,
      empty: clone.isEmpty,
      agent_config: context.repoRoots.file,
    }
  },
}

function nameOf(clone: Clone): string {
  return (
    basename(clone.root)
      .replace(/\.git$/, '')
      .slice(0, MAX_NAME) || 'repository'
  )
}

/** Ids of products whose recorded root is this directory, links resolved. */
async function productsAt(
  root: string,
  known: ReadonlyMap<string, { readonly path: string }>,
): Promise<string[]> {
  const real = await realpath(root)
  const ids: string[] = []
  for (const [id, { path }] of known) {
    const theirs = await realpath(path).catch(() => path)
    if (theirs === real) ids.push(id)
  }
  return ids
}

async function namesOf(backlog: Backlog, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return []
  const products = await backlog.prisma.product.findMany({
    where: { id: { in: [...ids] }, archived: false, ...visibleTo(backlog.caller) },
    select: { name: true },
    orderBy: { name: 'asc' },
  })
  return products.map(({ name }) => name)
}

async function findRecorded(
  backlog: Backlog,
  ids: readonly string[],
  name: string | undefined,
): Promise<ProductRow | undefined> {
  if (ids.length === 0) return undefined
  const product = await backlog.prisma.product.findFirst({
    where: {
      id: { in: [...ids] },
      archived: false,
      ...visibleTo(backlog.caller),
      ...(name === undefined ? {} : { name }),
    },
    select: { id: true, name: true, repo_url: true },
    orderBy: { created_at: 'asc' },
  })
  return product ?? undefined
}

/** Another machine's clone of the repository may have another directory name; a product of the same name comes first. */
async function findOfOrigin(backlog: Backlog, clone: Clone): Promise<ProductRow | undefined> {
  const { originUrl } = clone
  if (originUrl === null) return undefined
  const products = await backlog.prisma.product.findMany({
    where: { user_id: backlog.caller.userId, archived: false, repo_url: { not: null } },
    select: { id: true, name: true, repo_url: true },
  })
  const same = products.filter(({ repo_url }) => isSameRepository(repo_url ?? '', originUrl))
  return same.find(({ name }) => name === nameOf(clone)) ?? (same.length === 1 ? same[0] : undefined)
}

/**
 * Jobs of a product must not be done in the wrong repository. Its own is the one on record, or the one that is recorded
 * here (`recorded`) and still there.
 */
async function refuseOther(
  git: Git,
  recorded: string | undefined,
  { id, name, repo_url }: ProductRow,
  { root, originUrl }: Clone,
): Promise<void> {
  const there = recorded === undefined ? undefined : await findClone(git, recorded).catch(() => undefined)
  const url = repo_url || (there?.originUrl ?? null)
  if (url === null || originUrl === null ? there === undefined : mayBeSameRepository(url, originUrl)) return
  const theirs = url === null ? there?.root : withoutCredentials(url)
  const ours = originUrl === null ? '' : `, of ${originUrl}`
  throw new DaemonError(
    'CONFLICT',
    `The product ${name} (${id}) is that of ${theirs}, and ${root} is another repository${ours}`,
    'Nothing was changed; give it another name with --name, or this one to say that it is the same product.',
  )
}

async function findNamed(backlog: Backlog, name: string): Promise<ProductRow | undefined> {
  const products = await backlog.prisma.product.findMany({
    where: { name, ...visibleTo(backlog.caller) },
    select: { id: true, name: true, repo_url: true, archived: true, user_id: true },
  })
  const mine = products.find((product) => product.user_id === backlog.caller.userId)
  const candidates = mine === undefined ? products.filter((product) => !product.archived) : [mine]
  if (candidates.length > 1) {
    throw new DaemonError(
      'CONFLICT',
      `${candidates.length} products of other users are called ${name}: ${candidates.map((product) => product.id).join(', ')}`,
      'Nothing was changed; record the right one as SCRUM4ME_REPO_ROOT_<product id> or in the agent configuration.',
    )
  }
  const [product] = candidates
  if (product?.archived) {
    throw new DaemonError(
      'CONFLICT',
      `The product ${name} (${product.id}) is archived`,
      'Nothing was changed; restore it in Scrum4Me, or choose another name with --name.',
    )
  }
  return product
}

async function create(backlog: Backlog, name: string, clone: Clone): Promise<ProductRow> {
  requireWriter(backlog.caller)
  try {
    return await backlog.prisma.product.create({
      data: {
        user_id: backlog.caller.userId,
        name,
        repo_url: clone.originUrl,
        definition_of_done: DEFINITION_OF_DONE,
      },
      select: { id: true, name: true, repo_url: true },
    })
  } catch (error) {
    // Another init of the same name may have won in between; then its product is ours as well.
    const theirs = await findNamed(backlog, name)
    if (theirs !== undefined) return theirs
    throw error
  }
}
