import { toDatabaseError } from '../db/database-error.ts'
import { DaemonError } from '../errors.ts'
import type { ControlRequest } from '../wire/control.ts'
import { isRecord } from '../wire/json-rpc.ts'
import { configMethod } from './config.ts'
import type { ControlContext } from './context.ts'
import type { ControlMethod } from './control-method.ts'
import { dbDumpMethod, dbMigrateMethod } from './db-migrate.ts'
import { dbUrlMethod, sameDatabaseMethod } from './db-url.ts'
import { doctorMethod } from './doctor.ts'
import { enqueueMethod } from './enqueue.ts'
import { initMethod } from './init.ts'
import { jobCancelMethod, jobReleaseMethod, jobRequeueMethod } from './job-actions.ts'
import { jobsMethod } from './jobs.ts'
import { pauseMethod, resumeMethod } from './pause.ts'
import { pingMethod } from './ping.ts'
import { answerMethod, questionsMethod } from './questions.ts'
import { statusMethod } from './status.ts'
import { stopMethod } from './stop.ts'
import { worktreeDropMethod, worktreeRestoreMethod, worktreesMethod } from './worktrees.ts'

const METHODS: readonly ControlMethod[] = [
  answerMethod,
  configMethod,
  dbDumpMethod,
  dbMigrateMethod,
  dbUrlMethod,
  doctorMethod,
  enqueueMethod,
  initMethod,
  jobCancelMethod,
  jobReleaseMethod,
  jobRequeueMethod,
  jobsMethod,
  pauseMethod,
  pingMethod,
  questionsMethod,
  resumeMethod,
  sameDatabaseMethod,
  statusMethod,
  stopMethod,
  worktreeDropMethod,
  worktreeRestoreMethod,
  worktreesMethod,
]

const TOLD = new Set(['job_id', 'id', 'question_id', 'task', 'path', 'file'])
const MAX_TOLD = 300

const BY_NAME = new Map(METHODS.map((method) => [method.name, method]))

/** Answers one control request; what a method throws becomes the reply's error. */
export async function route(request: ControlRequest, context: ControlContext): Promise<unknown> {
  const method = BY_NAME.get(request.method)
  if (method === undefined) {
    throw new DaemonError(
      'NOT_FOUND',
      `This daemon knows no request "${request.method.slice(0, 80)}"`,
      'Shell command and daemon are of different releases: run `scrum4me-daemon restart`.',
    )
  }
  const answer = await method.call(request.params, context).catch((thrown: unknown) => {
    throw told(method.name, thrown, context)
  })
  // What a person did, for whoever wonders later.
  if (ACTS.has(method)) context.logger.info(actedOn(request.params), `${method.name} by command`)
  return answer
}

/** What the driver or Prisma throws says too much and too little; the log gets it where we cannot name it. */
function told(name: string, thrown: unknown, { logger }: ControlContext): unknown {
  const error = toDatabaseError(thrown)
  if (error === undefined || error === thrown || error.code !== 'INTERNAL') return error ?? thrown
  const cause = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
  logger.error({ cause }, `${name} by command failed`)
  return error
}

const ACTS: ReadonlySet<ControlMethod> = new Set([
  answerMethod,
  dbDumpMethod,
  dbMigrateMethod,
  enqueueMethod,
  initMethod,
  jobCancelMethod,
  jobReleaseMethod,
  jobRequeueMethod,
  pauseMethod,
  resumeMethod,
  worktreeDropMethod,
  worktreeRestoreMethod,
])

/** What it was done to: ids and paths, never free text. */
function actedOn(params: unknown): Record<string, string> {
  const named = Object.entries(isRecord(params) ? params : {})
  return Object.fromEntries(
    named.flatMap(([key, value]) =>
      TOLD.has(key) && typeof value === 'string' ? [[key, value.slice(0, MAX_TOLD)]] : [],
    ),
  )
}
