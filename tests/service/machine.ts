import { type ChildProcess, execFile, spawn } from 'node:child_process'
import {
  access,
  chmod,
  constants,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  rmdir,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { until } from '../support/until.ts'

const BOOT = fileURLToPath(new URL('machine-boot.sh', import.meta.url))
const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const SYSTEMD = '/lib/systemd/systemd'
const TARGETS = [
  'basic',
  'sysinit',
  'sockets',
  'shutdown',
  'local-fs',
  'timers',
  'paths',
  'multi-user',
  'network-online',
]

export interface Result {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Why no systemd can be booted here, or undefined. */
export async function whyNoMachine(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'not Linux'
  if (process.getuid?.() !== 0) return 'not root'
  for (const file of [SYSTEMD, '/usr/bin/unshare', '/usr/bin/nsenter', '/usr/bin/systemd-notify']) {
    const isThere = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (!isThere) return `no ${file}`
  }
  if ((await cgroupRoot()) === undefined) return 'no writable cgroup2'
  const probe = await run('unshare', ['--pid', '--fork', '--mount', '--uts', '--ipc', '--cgroup', 'true'])
  return probe.code === 0 ? undefined : `no namespaces: ${probe.stderr.trim()}`
}

/** A real systemd as process 1 of its own namespaces, with this machine's files. */
export class Machine {
  readonly dir: string
  readonly #cgroup: string
  readonly #process: ChildProcess
  #init = 0
  #log = ''

  private constructor(dir: string, cgroup: string, child: ChildProcess) {
    this.dir = dir
    this.#cgroup = cgroup
    this.#process = child
    const note = (data: unknown) => {
      this.#log = (this.#log + String(data)).slice(-20_000)
    }
    child.stdout?.on('data', note)
    child.stderr?.on('data', note)
  }

  static async boot(): Promise<Machine> {
    const root = await cgroupRoot()
    if (root === undefined) throw new Error('no writable cgroup2')
    const dir = await mkdtemp(join(tmpdir(), 's4m-machine-'))
    await chmod(dir, 0o755)
    await mkdir(join(dir, 'units'))
    for (const target of TARGETS) {
      await writeFile(
        join(dir, 'units', `${target}.target`),
        `[Unit]\nDescription=${target}\nDefaultDependencies=no\n`,
      )
    }
    await writeFile(
      join(dir, 'units', 'systemd-journald.service'),
      '[Unit]\nDefaultDependencies=no\n[Service]\nType=notify\nExecStart=/lib/systemd/systemd-journald\nStandardOutput=null\n',
    )
    const cgroup = join(root, `s4m-${process.pid}-${Date.now()}`)
    await mkdir(cgroup)
    const namespaces = ['--pid', '--fork', '--kill-child', '--mount', '--uts', '--ipc', '--cgroup']
    const enter = `echo $$ > ${cgroup}/cgroup.procs && exec unshare ${namespaces.join(' ')} sh ${BOOT} ${dir} multi-user.target ${ROOT}`
    const child = spawn('sh', ['-c', enter], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH },
    })
    const machine = new Machine(dir, cgroup, child)
    await machine.#untilUp()
    await machine.systemctl('start', 'systemd-journald.service')
    return machine
  }

  /** Runs a command inside, as root. */
  run(command: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Result> {
    return run('nsenter', ['-t', String(this.#init), '-a', '--', ...command], env)
  }

  /** The same as a command and its arguments, for whoever spawns it. */
  async command(command: readonly string[]): Promise<{ command: string; args: string[] }> {
    return { command: 'nsenter', args: ['-t', String(this.#init), '-a', '--', ...command] }
  }

  async systemctl(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(['systemctl', ...args])
    if (code !== 0)
      throw new Error(`systemctl ${args.join(' ')}: exit ${code}\n${stderr}${stdout}\n${this.#log}`)
    return stdout.trim()
  }

  async property(unit: string, name: string): Promise<string> {
    return this.systemctl('show', unit, `--property=${name}`, '--value')
  }

  /** pid, as seen from inside, of a unit's main process; 0 without one. */
  async mainPid(unit: string): Promise<number> {
    return Number(await this.property(unit, 'MainPID'))
  }

  /** A unit's settings on top of its file, for shorter times. */
  async dropIn(unit: string, text: string): Promise<void> {
    const directory = join(this.dir, 'etc', `${unit}.d`)
    await mkdir(directory, { recursive: true })
    await writeFile(join(directory, 'test.conf'), text)
    await this.systemctl('daemon-reload')
  }

  /** Every process inside: `pid` and arguments. */
  async processes(): Promise<string[]> {
    const { stdout } = await this.run(['ps', '-eo', 'pid=,args='])
    return stdout
      .trim()
      .split('\n')
      .map((line) => line.trim())
  }

  get log(): string {
    return this.#log
  }

  async halt(): Promise<void> {
    const gone = new Promise((resolve) => this.#process.once('exit', resolve))
    // Its death takes every process of its pid namespace along.
    if (this.#init > 0) process.kill(this.#init, 'SIGKILL')
    else this.#process.kill('SIGKILL')
    if (this.#process.exitCode === null && this.#process.signalCode === null) await gone
    await until('the machine’s processes are gone', async () => {
      const left = await readFile(join(this.#cgroup, 'cgroup.procs'), 'utf8').catch(() => '')
      return left.trim() === ''
    })
    await removeCgroup(this.#cgroup)
    await rm(this.dir, { recursive: true, force: true })
  }

  async #untilUp(): Promise<void> {
    try {
      await until('systemd is up', async () => {
        if (this.#process.exitCode !== null) throw new Error('it ended')
        this.#init ||= await childOf(this.#process.pid ?? 0)
        if (this.#init === 0) return false
        const { stdout } = await this.run(['systemctl', 'is-active', 'multi-user.target'])
        return stdout.trim() === 'active'
      })
    } catch (error) {
      await this.halt()
      throw new Error(`${String(error)}\n${this.#log}`)
    }
  }
}

/** The unshare process has one child: process 1 of the new namespace. */
async function childOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
  return Number(text.trim().split(' ')[0] || 0)
}

async function cgroupRoot(): Promise<string | undefined> {
  const mounts = await readFile('/proc/mounts', 'utf8').catch(() => '')
  for (const line of mounts.split('\n')) {
    const [, path, type, options] = line.split(' ')
    if (type === 'cgroup2' && path !== undefined && options?.startsWith('rw')) return path
  }
  return undefined
}

async function removeCgroup(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true }).catch(() => [])) {
    if (entry.isDirectory()) await removeCgroup(join(directory, entry.name))
  }
  await rmdir(directory).catch(() => undefined)
}

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Result> {
  return new Promise((resolve) => {
    execFile(
      command,
      [...args],
      { env: { PATH: process.env.PATH, ...env }, timeout: 120_000, maxBuffer: 16 * 1024 * 1024 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
        resolve({ code, stdout, stderr })
      },
    )
  })
}
