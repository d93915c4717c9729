/** Resolves with the first answer that is there; throws after so many ms. */
export async function until<T>(ask: () => Promise<T | null | undefined | false>, ms = 30_000): Promise<T> {
  const end = Date.now() + ms
  for (;;) {
    const answer = await ask()
    if (answer !== null && answer !== undefined && answer !== false) return answer
    if (Date.now() > end) throw new Error(`not so after ${ms} ms: ${ask}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
