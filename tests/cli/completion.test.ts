import { execFile } from 'node:child_process'
import { expect, test } from 'vitest'
import { runCli } from '../../daemon/cli/program.ts'
import { fakeTerminal } from './terminal.ts'

async function script(shell: string): Promise<string> {
  const terminal = fakeTerminal()
  expect(await runCli(['completion', shell], { terminal, cwd: '/', env: { HOME: '/' } })).toBe(0)
  return terminal.stdout
}

function run(shell: string, args: string[]): Promise<{ missing: boolean; stdout: string }> {
  return new Promise((resolve, reject) => {
    execFile(shell, args, (error, stdout, stderr) => {
      // Not in PATH, or only in a part of it that is somebody else's.
      if (error?.code === 'ENOENT' || error?.code === 'EACCES') resolve({ missing: true, stdout: '' })
      else if (error) reject(new Error(stderr))
      else resolve({ missing: false, stdout })
    })
  })
}

/** What bash offers at the end of a line; undefined where there is no bash. */
async function offered(...words: string[]): Promise<string[] | undefined> {
  const line = `COMP_WORDS=(scrum4me-daemon ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}`
  const { missing, stdout } = await run('bash', [
    '-c',
    `${await script('bash')}\n${line}; _scrum4me_daemon; printf '%s\\n' "\${COMPREPLY[@]}"`,
  ])
  return missing ? undefined : stdout.trim().split('\n')
}

test('bash offers commands, subcommands and options of the place', async () => {
  const commands = await offered('')
  if (commands === undefined) return console.log('no bash here: its completion is not tried')
  for (const name of ['run', 'status', 'jobs', 'worktrees', 'db', 'install', '--home'])
    expect(commands).toContain(name)
  expect(await offered('sta')).toEqual(['start', 'status'])
  expect(await offered('jobs', 'c')).toEqual(['cancel'])
  expect(await offered('worktrees', 'restore', '--')).toEqual(['--n', '--json', '--help', '--home'])
  expect(await offered('--home', '/x', 'db', '')).toEqual(['url', 'migrate', 'dump', '--help', '--home'])
  expect(await offered('status', '--home', '/us')).toEqual(['/usr'])
  expect(await offered('completion', '')).toEqual(['bash', 'zsh', 'fish', '--help', '--home'])
  expect(await offered('logs', '-')).toEqual(expect.arrayContaining(['-f', '-n', '--follow']))
  expect(await offered('worktrees', 'restore', 'j', '/us')).toEqual(['/usr'])
  expect(await offered('db', 'dump', '/etc/passw')).toContain('/etc/passwd')
  expect(await offered('db', 'url', '/us')).toEqual([''])
})

test.each(['zsh', 'fish'])('%s accepts its script', async (shell) => {
  const text = await script(shell)
  for (const word of ['restore', 'requeue', '--watch', 'mcp-config']) {
    expect(text).toContain(shell === 'fish' ? word.replace(/^--/, '-l ') : word)
  }
  const { missing } = await run(shell, ['-n', '-c', text])
  if (missing) console.log(`no ${shell} here: its script is not parsed`)
})

test('fish offers subcommands with what they do', async () => {
  const { missing, stdout } = await run('fish', [
    '-c',
    `${await script('fish')}\ncomplete -C 'scrum4me-daemon jobs c'`,
  ])
  if (!missing) expect(stdout.trim()).toBe('cancel\tend a job that has not ended; its agent is told')
})
