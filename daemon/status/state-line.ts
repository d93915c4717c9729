import type { StatusReport } from '../wire/status-report.ts'

/** One line for `systemctl status`: state, work, and the first complaint. */
export function stateLine(report: StatusReport): string {
  const [problem] = report.problems
  const sessions = report.sessions.filter((session) => session.connected).length
  const work = `${count(sessions, 'session')}, ${count(report.jobs.length, 'job')}`
  return `${report.state}: ${work}${problem === undefined ? '' : `; ${problem.code}: ${problem.message}`}`
}

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? '' : 's'}`
}
