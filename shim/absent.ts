/** Stands in the bundle for built-in modules that node-ipc imports and a shim never uses (see `bundle.mjs`). */
export default undefined

export function createRequire(): undefined {
  return undefined
}
