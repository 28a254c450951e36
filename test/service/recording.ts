import { onTestFinished } from 'vitest'
import type { AuditEvent } from '../../src/event/event.js'
import { DurableAuditExporter } from '../../src/exporter/exporter.js'
import type { AuditFields } from '../../src/event/event.js'
import { SecretAuditService, type SecretAuditServiceOptions } from '../../src/service/service.js'
import { RecordingAuditSink, type ScriptedWrite } from '../../src/sinks/recording.js'
import type { AuditBatch, WriteResult } from '../../src/contract/sink.js'

/** An access as most tests record it. */
export const ACCESS = {
  credential: 'orders-db',
  operation: 'get_credential',
  outcome: 'ok',
} as const satisfies AuditFields

export interface Recording {
  readonly service: SecretAuditService
  readonly exporter: DurableAuditExporter
  readonly sink: RecordingAuditSink
  /** The rows, once every event has its fate. */
  readonly rows: () => Promise<readonly AuditEvent[]>
  /** The only row. */
  readonly row: () => Promise<AuditEvent>
}

/** A service over the real exporter and a sink in memory. Closed when the test ends. */
export function recording(
  options: Omit<SecretAuditServiceOptions, 'pipeline'> = {},
  script?: ScriptedWrite,
): Recording {
  const sink = new RecordingAuditSink(script)
  const identity = { serviceName: 'orders', serviceInstanceId: 'orders-1' }
  const exporter = new DurableAuditExporter({ sink, identity, lingerMs: 0 })
  onTestFinished(() => exporter.close(0))
  const rows = async () => {
    await exporter.forceFlush()
    return sink.events
  }
  return {
    service: new SecretAuditService({ pipeline: exporter, ...options }),
    exporter,
    sink,
    rows,
    async row() {
      const [row, ...more] = await rows()
      if (row === undefined || more.length > 0)
        throw new Error(`${more.length + (row ? 1 : 0)} rows in place of one`)
      return row
    },
  }
}

/** Writes that wait until they are released. */
export class Gate {
  #release: (() => void) | undefined
  readonly #released: Promise<void>
  #arrived: (() => void) | undefined
  /** Resolves when a write has begun. */
  readonly arrived: Promise<void>

  constructor() {
    this.#released = new Promise((resolve) => {
      this.#release = resolve
    })
    this.arrived = new Promise((resolve) => {
      this.#arrived = resolve
    })
  }

  readonly write = async (): Promise<undefined> => {
    this.#arrived?.()
    await this.#released
  }

  release(): void {
    this.#release?.()
  }
}

/** A database that is there and refuses us: nothing is stored, strict callers are answered at once. */
export const denied: ScriptedWrite = (): WriteResult => ({
  status: 'failed',
  lasting: true,
  fault: { code: 'AUDIT_UNAVAILABLE', message: 'permission denied' },
})

/** Denies the first write, and stores the later ones. */
export function deniedOnce(): ScriptedWrite {
  let first = true
  return (batch: AuditBatch) => {
    if (!first) return undefined
    first = false
    return denied(batch)
  }
}

/** Lets everything run that is ready to run. */
export async function turns(count = 5): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(setImmediate)
}
