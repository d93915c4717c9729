import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cloneWithOrigin, git } from '../support/git.ts'
import { Installation } from '../support/installation.ts'

/** The main job, visibly: everything real, in a throwaway home, and nothing left behind. */
async function demo(): Promise<void> {
  const started = Date.now()
  const installation = await Installation.make()
  try {
    say(`A throwaway installation in ${installation.dir}`)
    const { clone, origin } = await cloneWithOrigin(installation.dir)
    say(`A git repository with an origin: ${clone}`)

    say('$ scrum4me-daemon run            (embedded PostgreSQL is made on first start)')
    await installation.start()
    const product = await installation.json('init', clone, '--name', 'Demo')
    say(`$ scrum4me-daemon init           product ${product.product_id}`)

    const agent = await installation.agent({ name: 'demo-agent' })
    const { tools } = await agent.client.listTools()
    say(`An MCP client over the shim (pid ${agent.pid}) sees ${tools.length} tools`)
    const pbi = await agent.call('create_pbi', {
      product_id: product.product_id,
      title: 'Say hello',
      priority: 2,
    })
    const story = await agent.call('create_story', {
      pbi_id: pbi.id,
      title: 'A visitor is greeted',
      acceptance_criteria: '- hello.txt exists',
      priority: 2,
    })
    const task = await agent.call('create_task', {
      story_id: story.id,
      title: 'Write the greeting',
      implementation_plan: 'Create hello.txt with a greeting.',
      priority: 2,
    })

    const waiting = agent.call('wait_for_job', { wait_seconds: 30 })
    const job = await installation.json('enqueue', String(task.code))
    say(`$ scrum4me-daemon enqueue ${task.code}    job ${job.job_id}`)
    const claimed = await waiting
    say(`wait_for_job → ${claimed.status}: ${claimed.worktree_path} on ${claimed.branch_name}`)
    expect(claimed.status === 'claimed' && claimed.job_id === job.job_id, 'the queued job is claimed')

    await agent.call('update_job_status', { job_id: claimed.job_id, status: 'running' })
    const worktree = String(claimed.worktree_path)
    const branch = String(claimed.branch_name)
    await writeFile(join(worktree, 'hello.txt'), 'Hello!\n')
    await git(worktree, 'add', 'hello.txt')
    await git(worktree, 'commit', '-q', '-m', 'Greet the visitor')
    await git(worktree, 'push', '-q', 'origin', `HEAD:${branch}`)
    say(`committed and pushed: ${await git(worktree, 'log', '-1', '--format=%h %s')}`)

    const done = await agent.call('update_job_status', {
      job_id: claimed.job_id,
      status: 'done',
      branch,
      summary: 'hello.txt greets the visitor.',
    })
    say(`update_job_status → ${done.status}, worktree ${done.worktree}, next: ${done.next_action}`)
    expect(
      done.delivered === true && done.worktree === 'removed',
      'the report is delivered and the worktree removed',
    )
    expect(done.next_action === 'queue_empty', 'the queue is empty')
    expect(done.pushed_at !== null, 'the branch was seen on origin')
    expect((await git(origin, 'show', `${branch}:hello.txt`)) === 'Hello!', 'origin has the work')
    expect((await git(clone, 'status', '--porcelain')) === '', 'the main checkout is clean')

    say('$ scrum4me-daemon status')
    const status = await installation.cli('status')
    process.stdout.write(status.stdout.replace(/^(?=.)/gm, '    '))
    expect(status.code === 0, 'the daemon is healthy')
  } finally {
    await installation.remove()
    say('Everything stopped and removed.')
  }
  say(`Done in ${((Date.now() - started) / 1000).toFixed(1)} s.`)
}

function say(text: string): void {
  process.stdout.write(`• ${text}\n`)
}

function expect(holds: boolean, what: string): void {
  if (!holds) throw new Error(`The demo expected that ${what}.`)
}

await demo()
