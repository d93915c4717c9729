import type { GitCall, RunCall } from './git.ts'
import type { GitError } from './git-error.ts'
import type { SimpleChildCall } from './run-child.ts'

/** What passes between `GitProcess` and `git-main.ts`, structured-cloned: both are of one build. */
export type GitQuestion =
  | {
      readonly id: number
      readonly kind: 'ask' | 'run'
      readonly call: GitCall | RunCall
      readonly args: readonly string[]
    }
  /** Its value: a ChildResult. */
  | { readonly id: number; readonly kind: 'child'; readonly call: SimpleChildCall }
  /** Its value: the locked file's identity, null when somebody else has it, or why it cannot be locked. */
  | { readonly id: number; readonly kind: 'lock'; readonly file: string; readonly waitSeconds: number }
  /** `id`: of the question that took it. */
  | { readonly id: number; readonly kind: 'unlock' }
  | { readonly id: number; readonly kind: 'abort' }
  | { readonly id: number; readonly kind: 'ping' }

export type GitAnswer =
  | { readonly id: number; readonly kind: 'value'; readonly value: unknown }
  | {
      readonly id: number
      readonly kind: 'error'
      readonly command: string
      readonly exitCode: number | null
      readonly stderr: string
      readonly why: GitError['why']
    }
  /** What writes runs in this process group. */
  | { readonly id: number; readonly kind: 'started'; readonly pid: number }
  | { readonly id: number; readonly kind: 'pong' }
