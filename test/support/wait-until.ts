import { setTimeout as sleep } from 'node:timers/promises'

/** A safety net against a hang, in ms. No test measures anything with it. */
const PATIENCE_MS = 60_000

/** Asks again and again until `condition` gives something, and gives it back. */
export async function waitUntil<T>(
  what: string,
  condition: () => T | false | undefined | Promise<T | false | undefined>,
): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS
  for (;;) {
    const result = await condition()
    if (result !== undefined && result !== false) return result
    if (performance.now() > deadline) throw new Error(`in vain: ${what}`)
    await sleep(5)
  }
}
