import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { RepoLock } from '../../../daemon/lock/repo-lock.ts'

/** Takes the lock again and again; says OVERLAP when somebody else wrote while it held it. */
const [, , dir = '', name = '', rounds = '0'] = process.argv
const lock = new RepoLock()
const file = join(dir, 'owner')
for (let round = 0; round < Number(rounds); round += 1) {
  await lock.run(dir, undefined, async () => {
    await writeFile(file, name)
    console.log(`took ${round}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
    const owner = await readFile(file, 'utf8')
    if (owner !== name) console.log(`OVERLAP ${owner}`)
  })
}
process.exit(0)
