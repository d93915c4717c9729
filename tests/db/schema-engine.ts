import { readdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { PrismaPg } from '@prisma/adapter-pg'
import * as glue from '@prisma/schema-engine-wasm/schema_engine_bg'

const require = createRequire(import.meta.url)
const FILTERS = { externalTables: [], externalEnums: [] }

/** Prisma's own judge of schemas and migrations, as WebAssembly: nothing is downloaded or spawned. */
export class PrismaSchemaEngine {
  readonly #engine: glue.SchemaEngine
  readonly #files: glue.SchemaContainer[]

  private constructor(engine: glue.SchemaEngine, files: glue.SchemaContainer[]) {
    this.#engine = engine
    this.#files = files
  }

  /** An engine for a Prisma schema and the database at `url`. */
  static async connect(url: string, datamodel: string): Promise<PrismaSchemaEngine> {
    await loadOnce()
    const utils: unknown = createRequire(require.resolve('@prisma/adapter-pg'))(
      '@prisma/driver-adapter-utils',
    )
    if (!hasBind(utils)) throw new Error('@prisma/driver-adapter-utils has changed')
    const adapter = utils.bindMigrationAwareSqlAdapterFactory(new PrismaPg({ connectionString: url }))
    const datamodels: [string, string][] = [['schema.prisma', datamodel]]
    const engine = await glue.SchemaEngine.new({ datamodels }, () => undefined, adapter)
    return new PrismaSchemaEngine(engine, [{ path: 'schema.prisma', content: datamodel }])
  }

  /** SQL that makes the schema in an empty database. */
  async script(): Promise<string> {
    const { stdout } = await this.#engine.diff({
      from: { tag: 'empty' },
      to: { tag: 'schemaDatamodel', files: this.#files },
      ...{ script: true, exitCode: null, shadowDatabaseUrl: null, filters: FILTERS },
    })
    return stdout ?? ''
  }

  /** What `prisma migrate deploy` does and complains about. */
  async deploy(directory: string): Promise<{ applied: string[]; edited: string[]; failed: string[] }> {
    const migrationsList = await listMigrations(directory)
    const history = await this.#engine.diagnoseMigrationHistory({
      ...{ migrationsList, optInToShadowDatabase: false, filters: FILTERS },
    })
    const { appliedMigrationNames } = await this.#engine.applyMigrations({ migrationsList, filters: FILTERS })
    return {
      applied: appliedMigrationNames,
      edited: history.editedMigrationNames,
      failed: history.failedMigrationNames,
    }
  }
}

/** The glue keeps the memory of one instance, so there is one for all engines. */
let loading: Promise<void> | undefined

function loadOnce(): Promise<void> {
  loading ??= load()
  return loading
}

async function load(): Promise<void> {
  // Where a panic of the engine leaves its message; without it the engine never answers.
  const set_message = (message: string) => {
    throw new Error(`the schema engine panicked: ${message}`)
  }
  Reflect.set(globalThis, 'PRISMA_WASM_PANIC_REGISTRY', { set_message })
  const file = require.resolve('@prisma/schema-engine-wasm/schema_engine_bg')
  const bytes = await readFile(join(dirname(file), 'schema_engine_bg.wasm'))
  // Node has WebAssembly; the types of Node 20 do not name it as a value.
  const { instance }: { instance: { exports: Record<string, unknown> } } = await Reflect.get(
    globalThis,
    'WebAssembly',
  ).instantiate(bytes, { './schema_engine_bg.js': { ...glue } })
  glue.__wbg_set_wasm(instance.exports)
  const start = instance.exports.__wbindgen_start
  if (typeof start === 'function') start()
}

async function listMigrations(baseDir: string): Promise<glue.MigrationList> {
  const names = (await readdir(baseDir)).filter((name) => !name.endsWith('.toml')).sort()
  const lockfile = join(baseDir, 'migration_lock.toml')
  return {
    baseDir,
    lockfile: { path: 'migration_lock.toml', content: await readFile(lockfile, 'utf8') },
    shadowDbInitScript: '',
    migrationDirectories: await Promise.all(
      names.map(async (path) => {
        const value = await readFile(join(baseDir, path, 'migration.sql'), 'utf8')
        return { path, migrationFile: { path: 'migration.sql', content: { tag: 'ok', value } } }
      }),
    ),
  }
}

function hasBind(
  value: unknown,
): value is { bindMigrationAwareSqlAdapterFactory(factory: PrismaPg): object } {
  return typeof value === 'object' && value !== null && 'bindMigrationAwareSqlAdapterFactory' in value
}
