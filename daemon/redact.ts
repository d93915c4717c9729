/**
 * Secrets (database password, token) are registered once, where they are read; every sink that
 * leaves the process (log line, status, error text, control reply) passes through `clean`.
 */
export class Redactor {
  readonly #secrets = new Set<string>()

  add(secret: string | undefined): void {
    // A very short "secret" would blank ordinary words; no real token or password is that short.
    if (secret === undefined || secret.length < 4) return
    this.#secrets.add(secret)
    this.#secrets.add(encodeURIComponent(secret))
    // As it would stand inside a JSON string.
    this.#secrets.add(JSON.stringify(secret).slice(1, -1))
  }

  clean(text: string): string {
    let cleaned = text
    for (const secret of this.#secrets) cleaned = cleaned.replaceAll(secret, '***')
    return cleaned
  }
}
