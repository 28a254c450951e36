import type { AuditSink } from '../../src/contract/sink.js'

/** The lines of `allowInStore` that its check offers. */
export async function allowLines(sink: AuditSink): Promise<string[]> {
  const findings = (await sink.check?.()) ?? []
  return findings.flatMap(({ message }) => /allowInStore: (.*)$/.exec(message)?.[1] ?? [])
}
