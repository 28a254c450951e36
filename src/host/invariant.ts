export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`otel-audit: broken invariant: ${message}`)
}
