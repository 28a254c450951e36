/**
 * What an error says, for a message or a log. Never throws, whatever was thrown: a getter, a proxy or a `toString` of the
 * application's may.
 */
export function errorText(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error)
  } catch {
    return 'an error that does not say what it is'
  }
}
