import type { AuditBatch, AuditSink, SecondSink, SinkOwner, WriteResult } from '../../src/contract/sink.js'

/**
 * A sink between an exporter and the real one that holds the *exporter* to the contract of `AuditSink`, and counts.
 * What is broken is kept in {@link breaches}.
 */
export class WatchedSink implements AuditSink {
  readonly sinkId: string
  readonly breaches: string[]
  readonly writes: { readonly batch: AuditBatch; result?: WriteResult }[] = []
  readonly #sink: AuditSink
  #writing = false
  #closed = false
  #inDoubt: AuditBatch | undefined

  /** The one beside it, once somebody has asked for it. */
  second: WatchedSecond | undefined
  /** As of the sink: it may have none. */
  readonly beside?: () => SecondSink

  /** @param breaches where to keep them */
  constructor(sink: AuditSink, breaches: string[] = []) {
    this.#sink = sink
    this.sinkId = sink.sinkId
    this.breaches = breaches
    const { beside } = sink
    if (beside === undefined) return
    this.beside = () => (this.second ??= new WatchedSecond(beside.call(sink), breaches))
  }

  /** How many rows each write had. */
  get sizes(): number[] {
    return this.writes.map(({ batch }) => batch.entries.length)
  }

  async write(batch: AuditBatch): Promise<WriteResult> {
    this.#inspect(batch)
    const before = this.#inDoubt
    const write: { batch: AuditBatch; result?: WriteResult } = { batch }
    this.writes.push(write)
    this.#writing = true
    this.#inDoubt ??= batch // Also when it throws.
    try {
      const result = await this.#sink.write(batch)
      write.result = result
      const decided = result.status !== 'unknown' && !(result.status === 'failed' && before !== undefined)
      if (decided) this.#inDoubt = undefined
      return result
    } finally {
      this.#writing = false
    }
  }

  attach(writer: SinkOwner): void {
    this.#sink.attach?.(writer)
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#sink.close()
  }

  #inspect({ entries }: AuditBatch): void {
    const ids = entries.map(({ event }) => event.auditId)
    if (ids.length === 0) this.breaches.push('an empty batch')
    if (ids.some((id, i) => i > 0 && id <= (ids[i - 1] ?? 0n)))
      this.breaches.push(`not ascending: ${ids.join(' ')}`)
    if (this.#writing) this.breaches.push('a second batch in flight')
    if (this.#closed) this.breaches.push('a write after close')
    if (this.#inDoubt !== undefined && bytesOf(this.#inDoubt) !== bytesOf({ entries })) {
      this.breaches.push('other bytes were written while the fate of a batch was unknown')
    }
  }
}

/** The same of a sink that is used under load. */
export class WatchedSecond extends WatchedSink implements SecondSink {
  readonly #second: SecondSink

  constructor(sink: SecondSink, breaches: string[]) {
    super(sink, breaches)
    this.#second = sink
  }

  get isReady(): boolean {
    return this.#second.isReady
  }

  prepare(): Promise<void> {
    return this.#second.prepare()
  }
}

function bytesOf({ entries }: AuditBatch): string {
  return entries.map(({ event, digest }) => `${event.auditId} ${digest.toString('hex')}`).join('\n')
}
