/** @throws Error when a condition that the code relies on does not hold: a bug of ours, whoever called. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`otel-audit: broken invariant: ${message}`)
}
