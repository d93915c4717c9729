import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Agent } from '../../support/agent.ts'
import { cloneWithOrigin } from '../../support/git.ts'
import { Installation } from '../../support/installation.ts'
import { until } from '../../support/until.ts'
import type { Tenant } from './tenant.ts'

export interface Clone {
  readonly productId: string
  readonly clone: string
}

/** Longer than any bench: one call waits through it. Seconds. */
const WAIT_SECONDS = 600

/** One machine of the tenant's user: the real daemon, clones of some products, agents over the real shim. */
export class Machine {
  readonly installation: Installation
  readonly tenant: Tenant
  readonly #roots: Record<string, string> = {}

  private constructor(installation: Installation, tenant: Tenant) {
    this.installation = installation
    this.tenant = tenant
  }

  static async make(tenant: Tenant, env: Record<string, string> = {}): Promise<Machine> {
    const { url: databaseUrl, token } = tenant
    return new Machine(await Installation.make({ databaseUrl, token, env }), tenant)
  }

  /** A product whose repository has one small file, or that of `clone`. */
  async product(clone?: string): Promise<Clone> {
    const productId = await this.tenant.product()
    const path = clone ?? (await cloneWithOrigin(join(this.installation.dir, 'clones'), productId)).clone
    this.#roots[productId] = path
    const file = join(this.installation.env.HOME ?? '', '.scrum4me-agent-config.json')
    await writeFile(file, JSON.stringify({ repoRoots: this.#roots }))
    return { productId, clone: path }
  }

  start(): Promise<void> {
    return this.installation.start()
  }

  /** `count` agents, a few at a time: a person opens sessions one by one. */
  async agents(count: number): Promise<Agent[]> {
    const made: Agent[] = []
    while (made.length < count) {
      const some = Array.from({ length: Math.min(4, count - made.length) }, () => this.installation.agent())
      made.push(...(await Promise.all(some)))
    }
    return made
  }

  wait(agent: Agent): Promise<Record<string, unknown>> {
    return agent.call('wait_for_job', { wait_seconds: WAIT_SECONDS }, { timeout: WAIT_SECONDS * 1000 })
  }

  /** Resolves when this many sessions wait for a job. */
  async waiting(count: number): Promise<void> {
    await until(
      `${count} sessions wait`,
      async () => {
        const { sessions } = await this.installation.status()
        return sessions.filter((session) => session.activity === 'waiting').length === count
      },
      60_000,
    )
  }

  /** Resolves when a spare worktree is ready for each of these clones. */
  async spares(clones: readonly Clone[]): Promise<void> {
    const directory = join(this.installation.home, 'state/worktrees/spares')
    await until(
      'spare worktrees are ready',
      async () => {
        const names = await readdir(directory).catch(() => [])
        const texts = await Promise.all(
          names.map((name) => readFile(join(directory, name), 'utf8').catch(() => '')),
        )
        const ready = texts.filter((text) => text.includes('"phase":"ready"'))
        return clones.every(({ clone }) => ready.some((text) => text.includes(JSON.stringify(clone))))
      },
      60_000,
    )
  }

  remove(): Promise<void> {
    return this.installation.remove()
  }
}
