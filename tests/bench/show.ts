import { readFile } from 'node:fs/promises'
import { render } from './render.ts'
import type { Report } from './report.ts'

/* Prints the table of a run that was kept as JSON. */

const [, , file = ''] = process.argv
const report: Report = JSON.parse(await readFile(file, 'utf8'))
process.stdout.write(render(report))
