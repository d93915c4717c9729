import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Machine } from './machine.ts'

/** Root's user manager, started by the machine's process 1 as a login would; `home` is its home. */
export async function startUserManager(machine: Machine, home: string): Promise<void> {
  const units = join(machine.dir, 'user-units')
  const own = join(home, '.config', 'systemd', 'user')
  await mkdir(units)
  await mkdir(own, { recursive: true })
  for (const name of ['default', 'basic', 'sockets', 'timers', 'paths', 'shutdown', 'exit']) {
    const settings = name === 'shutdown' || name === 'exit' ? 'DefaultDependencies=no\n' : ''
    await writeFile(join(units, `${name}.target`), `[Unit]\nDescription=${name}\n${settings}`)
  }
  const unit = [
    '[Unit]',
    'DefaultDependencies=no',
    '[Service]',
    'Type=notify',
    `Environment=XDG_RUNTIME_DIR=/run/user/0 HOME=${home} SYSTEMD_UNIT_PATH=${units}:${own}`,
    'ExecStartPre=/bin/mkdir -p -m 700 /run/user/0',
    'ExecStart=/lib/systemd/systemd --user',
    'Delegate=yes',
    'KillMode=mixed',
  ]
  await writeFile(join(machine.dir, 'units', 'user@0.service'), `${unit.join('\n')}\n`)
  await machine.systemctl('daemon-reload')
  await machine.systemctl('start', 'user@0.service')
}
