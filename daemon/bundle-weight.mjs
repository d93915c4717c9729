// What keeps the bundle light in memory: a program's source stays there as long as the program runs.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Messages in English alone, as ours are; zod brings them in fifty languages. */
export const englishOnly = {
  name: 'english-only',
  setup({ onLoad }) {
    onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js'",
    }))
  },
}

/**
 * Prisma's query compiler as the bytes that it is. Its package has it as text in a module, which is a third larger and
 * would be kept twice: as the module's source, and as its string. Read from the package when it is first needed,
 * because it is larger than the whole of ours.
 */
export const compilerAsBytes = {
  name: 'compiler-as-bytes',
  setup({ onLoad }) {
    onLoad({ filter: /@prisma\/client\/runtime\/.*\.wasm-base64\.mjs$/ }, ({ path }) => {
      const start = 'const wasm = "'
      if (!readFileSync(path, 'utf8').startsWith(start)) throw new Error(`${path} is not as it was`)
      const name = path.slice(path.lastIndexOf('@prisma/'))
      // Prisma calls Buffer.from on it, which takes bytes too.
      return {
        contents: `import { readFile } from 'node:fs/promises'
const text = await readFile(new URL(import.meta.resolve(${JSON.stringify(name)})), 'latin1')
export const wasm = Buffer.from(text.slice(${start.length}, text.indexOf('"', ${start.length})), 'base64')`,
      }
    })
  },
}

/**
 * pg looks whether it runs at Cloudflare by making a `Response`, for which Node 20 loads all of its HTTP client.
 * Newer ones tell it by `navigator`.
 */
export const noHttpClient = {
  name: 'no-http-client',
  setup({ onLoad }) {
    onLoad({ filter: /\/pg\/lib\/stream\.js$/ }, ({ path }) => {
      const [before, after, ...more] = readFileSync(path, 'utf8').split("typeof Response === 'function'")
      if (after === undefined || more.length > 0) throw new Error(`${path} is not as it was`)
      return { contents: `${before}false${after}` }
    })
  },
}

/** A single character beyond Latin-1 makes V8 keep a whole file at two bytes a character. */
export function escapeCharacters(directory) {
  for (const file of readdirSync(directory).filter((entry) => entry.endsWith('.js'))) {
    const path = join(directory, file)
    const text = readFileSync(path, 'utf8')
    const escaped = text.replace(
      /[\u0080-\uffff]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
    )
    if (escaped !== text) writeFileSync(path, escaped)
  }
}
