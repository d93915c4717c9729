import { access, constants } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { type Check, fail, ok, skip, warn } from '../../control/doctor/check.ts'
import { messageOf } from '../../errors.ts'
import { daemonCommand } from '../../wire/daemon-command.ts'
import type { Invocation } from '../invocation.ts'
import { findServices, userService } from './find-service.ts'
import { hasSystemd } from './has-systemd.ts'
import { runTool } from './run-tool.ts'
import type { Service } from './service.ts'
import { textOfXml, wordOfCommand } from './template.ts'

/** Whether the daemon comes back by itself after a crash, a logout, a reboot. */
export async function serviceChecks(invocation: Invocation): Promise<readonly Check[]> {
  const services = await findServices(invocation)
  const [service] = services
  if (service === undefined) return [skip('service', await withoutService(invocation))]
  const checks = [await definitionCheck(invocation, service)]
  if (service.kind === 'systemd' && service.scope === 'user') checks.push(await lingerCheck(invocation))
  return checks
}

async function withoutService({ paths }: Invocation): Promise<string> {
  const isPossible = process.platform === 'darwin' || (await hasSystemd())
  const way = isPossible
    ? `\`${daemonCommand('install', paths)}\` does`
    : `there is no systemd here; let your own supervisor execute \`${daemonCommand('run', paths)}\``
  return `not installed; after a reboot nobody starts the daemon (${way})`
}

async function definitionCheck(invocation: Invocation, service: Service): Promise<Check> {
  const again = `Run \`${daemonCommand('install', invocation.paths)}${service.scope === 'system' ? ' --system' : ''}\` again.`
  const text = (await service.installedFor()).text ?? ''
  for (const program of programsOf(service, text)) {
    const isThere = await access(program, constants.R_OK).then(
      () => true,
      () => false,
    )
    if (!isThere) return fail('service', `${service.file} names ${program}, which is gone`, again)
  }
  if (service.name !== userService(invocation).name) {
    return warn('service', `${service.file} has the name that an earlier version gave it`, again)
  }
  try {
    // A system unit was rendered with root's view of users and paths, which we may not have.
    if (service.scope === 'user' && (await service.render()) !== text) {
      return warn('service', `${service.file} is not what this installation would write`, again)
    }
  } catch (error) {
    return warn('service', messageOf(error), again)
  }
  return ok('service', service.file)
}

/** Node and our bin, as the definition names them; their paths may hold spaces. */
export function programsOf({ kind }: Pick<Service, 'kind'>, text: string): string[] {
  const command = /^ExecStart=(.*)$/m.exec(text)?.[1] ?? ''
  const words =
    kind === 'launchd'
      ? Array.from(text.matchAll(/<string>([^<]*)<\/string>/g), ([, xml = '']) => textOfXml(xml))
      : (command.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? []).map(wordOfCommand)
  return words.filter((word) => /^\/.*\/(node|main\.js)$/.test(word))
}

async function lingerCheck({ env }: Invocation): Promise<Check> {
  const user = userInfo().username
  const args = ['show-user', user, '--property=Linger', '--value']
  const { code, stdout } = await runTool('loginctl', args, env, 5_000)
  if (code !== 0) return skip('linger', 'loginctl does not answer')
  if (stdout.trim() === 'yes') return ok('linger', 'the daemon stays after logout')
  return warn('linger', 'the daemon ends with the last logout', `Run \`loginctl enable-linger ${user}\`.`)
}
