import { readdir, readFile, readlink } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { workingDirectories } from '../../../daemon/lifecycle/working-directories.ts'
import { type CompiledProgram, compileProgram, Program } from '../../ipc/run-program.ts'
import type { Workspace } from './workspace.ts'

export interface EngineOrder {
  readonly create?: readonly string[]
  readonly remove?: readonly string[]
  readonly restore?: readonly string[]
  readonly parentDir?: string
  readonly stateDir?: string
  readonly instanceId?: string
  readonly path?: string
  readonly spares?: boolean
  readonly reconcile?: boolean
  readonly waits?: boolean
  readonly dieAtFileStep?: number
}

export function compileEngine(): Promise<CompiledProgram> {
  return compileProgram(fileURLToPath(new URL('../programs/engine-program.ts', import.meta.url)))
}

export function engineProcess(program: CompiledProgram, space: Workspace, order: EngineOrder): Program {
  const full = {
    parentDir: space.parent,
    stateDir: space.state,
    instanceId: 'test-instance',
    repoRoot: space.clone,
    home: space.env.HOME,
    path: process.env.PATH,
    create: [],
    remove: [],
    restore: [],
    spares: false,
    reconcile: false,
    waits: false,
    dieAtFileStep: 0,
    ...order,
  }
  return new Program(process.execPath, [program.file, JSON.stringify(full)])
}

/** Resolves when no process works below the directory any more: git lives on for a moment when its parent was killed. */
export async function quiet(directory: string): Promise<void> {
  while ((await processesAbout(directory)) > 0) await new Promise(setImmediate)
}

async function processesAbout(directory: string): Promise<number> {
  if (process.platform !== 'linux') {
    return (await workingDirectories()).filter(({ cwd }) => cwd.startsWith(directory)).length
  }
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
  const about = await Promise.all(
    pids.map(async (pid) => {
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '')
      return command.includes(directory) || cwd.startsWith(directory)
    }),
  )
  return about.filter(Boolean).length
}
