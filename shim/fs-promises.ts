import { lstat as lstatCallback, readFile as readFileCallback } from 'node:fs'
import { promisify } from 'node:util'

/** Stands in the bundle for `node:fs/promises`, which loads a dozen other modules for two functions. */
export const lstat = promisify(lstatCallback)
export const readFile = promisify(readFileCallback)
