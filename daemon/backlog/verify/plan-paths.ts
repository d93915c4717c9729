/** Extensions by which a bare word such as `config.ts` is known to be a file and not the end of a sentence. */
const FILE = new RegExp(
  '\\.(?:' +
    'ts|tsx|mts|cts|js|jsx|mjs|cjs|json|jsonc|md|mdx|txt|html?|css|scss|sass|less|vue|svelte|astro|' +
    'py|rb|php|go|rs|java|kt|kts|swift|scala|clj|ex|exs|erl|hs|lua|pl|r|dart|cs|fs|c|h|cc|cpp|hpp|m|mm|' +
    'sql|prisma|graphql|gql|proto|sh|bash|zsh|ps1|yml|yaml|toml|ini|cfg|conf|env|xml|csv|svg|png|lock|tf|gradle|' +
    'service|plist|snap' +
    ')$',
  'i',
)
/** Names of things, not of files. */
const PRODUCT_NAME =
  /^(?:(?:node|next|nuxt|vue|react|express|nest|three|d3|chart|socket|discord|ember|backbone)\.js|process\.env|import\.meta\.env)$/i
/** A kind of file, as in "all .ts files", is no file; `.env` is one. */
const isKind = (name: string) => FILE.test(name) && name.lastIndexOf('.') === 0 && !/^\.env$/i.test(name)
/** In names of files; not letters of scripts that put no blank between a name and the words around it. */
const CHARACTER = '[\\w\\p{Script=Latin}\\p{Script=Greek}\\p{Script=Cyrillic}\\p{M}@.*~/[\\]-]'
/** In backticks, or bare, with alternatives as in `src/{a,b}.ts`. */
const TOKEN = new RegExp(`\`([^\`\\n]+)\`|((?:${CHARACTER}+|\\{${CHARACTER}*(?:,${CHARACTER}*)+\\})+)`, 'gu')
const DIRECTORY = new RegExp(`^(?:(?![*~[\\]])${CHARACTER})+/$`, 'u')
const WELL_KNOWN =
  /^(?:Dockerfile|Makefile|Rakefile|Gemfile|Procfile|Justfile|LICENSE|README|CHANGELOG|CODEOWNERS)$/
const MAX_PATHS = 200
const MAX_LENGTH = 300
const MAX_ALTERNATIVES = 50

/**
 * Files and directories that a plan names: `src/a.ts`, `a.ts`, `src/auth/`, `tests/*.test.ts`, with or without
 * backticks; `src/{a,b}.ts` names two. A name without extension counts only in backticks or with a slash at its
 * end. In order, once each.
 */
export function planPaths(plan: string): string[] {
  const found = new Set<string>()
  const withoutUrls = plan.replace(/\b[a-z][a-z+.-]{0,20}:\/\/\S+/gi, ' ')
  for (const match of withoutUrls.matchAll(TOKEN)) {
    const quoted = match[1] !== undefined
    for (const token of alternatives(match[1] ?? match[2] ?? '')) {
      const path = clean(token)
      if (path !== undefined && isPath(path, quoted)) found.add(path)
      if (found.size >= MAX_PATHS) return [...found]
    }
  }
  return [...found]
}

/** Whether a changed file is what the plan's path means: itself, below it, or matching its `*`. */
export function covers(planPath: string, file: string): boolean {
  if (planPath.includes('*')) return matchesGlob(planPath, file)
  const path = planPath.replace(/\/$/, '')
  return (
    file === path || file.endsWith(`/${path}`) || file.startsWith(`${path}/`) || file.includes(`/${path}/`)
  )
}

/** What `{a,b}` stands for, as a shell reads it; none when that is too much to be meant. */
function alternatives(token: string): readonly string[] {
  if (token.length > MAX_LENGTH) return []
  let all = [token]
  for (;;) {
    const next = all.flatMap((one) => {
      const [group, inner = ''] = /\{([^{}]*,[^{}]*)\}/.exec(one) ?? []
      return group === undefined ? one : inner.split(',').map((part) => one.replace(group, () => part.trim()))
    })
    if (next.length > MAX_ALTERNATIVES) return []
    if (next.length === all.length) return next
    all = next
  }
}

function clean(token: string): string | undefined {
  const path = token
    .trim()
    .replaceAll('\\', '/')
    .replace(/:\d+(?:[:-]\d+)?$/, '')
    // Markdown's bold and italics.
    .replace(/^\*{1,2}([^*]+)\*{1,2}$/, '$1')
    .replace(/^\.\//, '')
    .replace(/(?<![.,;:])[.,;:]+$/, '')
  return path === '' || /\s/.test(path) ? undefined : path
}

function isPath(path: string, quoted: boolean): boolean {
  const name = path.replace(/\/$/, '').split('/').at(-1) ?? ''
  if (!/[\w\p{L}]/u.test(name) || isKind(name) || PRODUCT_NAME.test(path)) return false
  if (FILE.test(name) || (WELL_KNOWN.test(name) && (quoted || path.includes('/')))) return true
  // `.gitignore`, `src/auth/`; but not `and/or`, not `/api/users`.
  if (/^\.[a-z][\w.-]+$/i.test(name)) return quoted || path.includes('/') || name.startsWith('.git')
  return DIRECTORY.test(path) && !path.startsWith('/') && !path.includes('//')
}

/**
 * What stands before the first `*` and after the last one must fit; with a single `*` what is between holds no
 * slash. Deliberately no regular expression: plans are written by others, and a hostile one must not cost time.
 */
function matchesGlob(pattern: string, file: string): boolean {
  const first = pattern.indexOf('*')
  const last = pattern.lastIndexOf('*')
  // After `**/` the slash may be missing: `tests/**/x.ts` means `tests/x.ts` too.
  const before = pattern.slice(0, first)
  const after = pattern.slice(last + 1).replace(/^\//, '')
  const start = file.startsWith(before) ? 0 : file.indexOf(`/${before}`) + 1
  if (!file.startsWith(before, start) || !file.endsWith(after)) return false
  const between = file.slice(start + before.length, file.length - after.length)
  if (start + before.length > file.length - after.length) return false
  return first !== last || !between.includes('/')
}
