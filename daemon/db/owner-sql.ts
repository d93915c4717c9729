/** Longer ones are for a file, not for a line of `doctor` or the log. */
const MAX_LENGTH = 1_500

/** For a remedy: what adds to a shared database what is missing there, and how its owner gets it. */
export function ownerSql(sql: string): string {
  const text = sql.replace(/\s+/g, ' ').trim()
  const command = '`scrum4me-daemon db migrate --print` prints the SQL for the owner of the database'
  return text === '' || text.length > MAX_LENGTH ? `${command}.` : `${command}: ${text}`
}
