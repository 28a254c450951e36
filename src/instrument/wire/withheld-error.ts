const ignored = (): void => undefined

/**
 * Makes the error of a withheld answer keep its code: the SDK of AWS in version 2 writes a code of its own, and `retryable`,
 * into every error of the network, and asks again for what is to be asked again. Assignments are ignored; they do not
 * throw, as they would into a frozen error.
 */
export function unalterable(error: unknown): Error {
  const given = error instanceof Error ? error : new Error(String(error))
  for (const [name, value] of [
    ['code', (given as { code?: unknown }).code],
    ['retryable', false],
  ] as const) {
    try {
      Object.defineProperty(given, name, { get: () => value, set: ignored, enumerable: true })
    } catch {
      // It stays as it is.
    }
  }
  return given
}
