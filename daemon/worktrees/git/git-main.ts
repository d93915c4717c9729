import { delay } from '../../lifecycle/delay.ts'
import { type KernelLock, takeKernelLock } from '../../lock/kernel-lock.ts'
import { gitEnvironment } from './environment.ts'
import { Git } from './git.ts'
import { commandOf, GitError } from './git-error.ts'
import type { GitAnswer, GitQuestion } from './git-message.ts'
import { type LockAnswer, lockRefusal } from './lock-answer.ts'
import { runChild } from './run-child.ts'
import { WaitingShells } from './waiting-shells.ts'

// The process behind `GitProcess`: loading it runs it. It lives as long as its channel.

/** What is called off is asked to end, and after two seconds ended. */
const LAST_MS = 3_000

const shells = new WaitingShells(gitEnvironment(process.env))
const git = new Git({ env: process.env, shells })
const running = new Map<number, AbortController>()
/** By the question that took them. */
const locks = new Map<number, KernelLock>()

// A worktree's files are as open as if the user had checked them out.
process.umask(Number(process.argv[2]))
process.title = 'scrum4me-daemon: git'
// Whoever ends a whole process group or service: the daemon calls off what runs here, then closes the channel.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined)
process.on('disconnect', () => void callOff().then(() => process.exit(0)))
process.on('message', (question: GitQuestion) => {
  if (question.kind === 'abort') running.get(question.id)?.abort()
  else if (question.kind === 'unlock') void unlock(question.id)
  else if (question.kind === 'lock')
    void lock(question).then((value) => answer({ id: question.id, kind: 'value', value }))
  else if (question.kind === 'ping') answer({ id: question.id, kind: 'pong' })
  else void carryOut(question).then(answer)
})

type Task = Extract<GitQuestion, { call: unknown }>

async function carryOut(task: Task): Promise<GitAnswer> {
  const { id } = task
  const stop = new AbortController()
  running.set(id, stop)
  try {
    return { id, kind: 'value', value: await carriedOut(task, stop.signal) }
  } catch (error) {
    const command = task.kind === 'child' ? task.call.command : commandOf(task.args)
    const { exitCode, stderr, why } =
      error instanceof GitError ? error : new GitError(command, null, String(error), 'not-started')
    return { id, kind: 'error', command, exitCode, stderr, why }
  } finally {
    running.delete(id)
  }
}

function carriedOut(task: Task, signal: AbortSignal): Promise<unknown> {
  const started = (pid: number) => answer({ id: task.id, kind: 'started', pid })
  if (task.kind === 'child') return runChild({ ...task.call, signal, started })
  const call = { ...task.call, signal }
  return task.kind === 'ask' ? git.ask(call, ...task.args) : git.run({ ...call, started }, ...task.args)
}

async function lock({ id, file, waitSeconds }: Extract<GitQuestion, { kind: 'lock' }>): Promise<LockAnswer> {
  const stop = new AbortController()
  running.set(id, stop)
  try {
    const lock = await takeKernelLock(file, { waitSeconds, signal: stop.signal })
    if (lock === null) return null
    locks.set(id, lock)
    return lock.identity
  } catch (error) {
    return lockRefusal(error)
  } finally {
    running.delete(id)
  }
}

async function unlock(id: number): Promise<void> {
  const lock = locks.get(id)
  locks.delete(id)
  await lock?.release()
}

/** git may not go on beside a daemon that has given it up, or beside the next one. */
async function callOff(): Promise<void> {
  for (const stop of running.values()) stop.abort()
  const end = performance.now() + LAST_MS
  while (running.size > 0 && performance.now() < end) await delay(20)
}

function answer(message: GitAnswer): void {
  if (process.connected) process.send?.(message)
}
