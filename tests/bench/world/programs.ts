import { fileURLToPath } from 'node:url'

/** Path of a compiled program of the bench, also when this file runs from its source. */
export function program(name: string): string {
  const dist = new URL(
    import.meta.url.endsWith('.ts') ? '../../../dist/compiled/tests/bench/' : '../',
    import.meta.url,
  )
  return fileURLToPath(new URL(name, dist))
}
