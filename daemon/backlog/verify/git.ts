/** Resolves to stdout, rejects on a non-zero exit; the caller makes it safe (hooks, environment, deadline). */
export type Git = (cwd: string, args: readonly string[]) => Promise<string>
