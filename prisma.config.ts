import { defineConfig } from 'prisma/config'

// `prisma generate` insists on an engine binary that it would download and never runs;
// any existing executable satisfies it, so generating needs no network.
if (process.argv.includes('generate')) process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= process.execPath

export default defineConfig({ schema: 'prisma/schema.prisma', migrations: { path: 'prisma/migrations' } })
