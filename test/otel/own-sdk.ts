import { NodeSDK, type NodeSDKConfiguration } from '@opentelemetry/sdk-node'
import { onTestFinished, vi } from 'vitest'
import { type Audit, createAudit } from '../../src/audit/audit.js'
import type { AuditEvent } from '../../src/event/event.js'
import type { AuditOptions } from '../../src/options/options.js'
import { RecordingAuditSink } from '../../src/sinks/recording.js'
import { forgetTelemetry } from '../service/telemetry.js'

export const ACCESS = { credential: 'orders-db', operation: 'get_credential', outcome: 'ok' } as const

export interface RecordingAudit {
  readonly audit: Audit
  /** The rows of the application, once every event has its fate. */
  rows(): Promise<readonly AuditEvent[]>
}

/** An audit pipeline whose rows stay in memory. Closed when the test ends. */
export function recordingAudit(options: AuditOptions = {}): RecordingAudit {
  const sink = new RecordingAuditSink()
  const audit = createAudit({ sink, lingerMs: 0, ...options })
  onTestFinished(() => audit.close())
  return {
    audit,
    async rows() {
      await audit.flush()
      return sink.events.filter(({ operation }) => operation !== 'audit_lifecycle')
    },
  }
}

/** Sets variables until the test ends. */
export function environment(variables: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value)
  onTestFinished(() => {
    vi.unstubAllEnvs()
  })
}

/** Starts a `NodeSDK` as an application would that builds its own. Shut down, and forgotten, when the test ends. */
export function startSdk(configuration: Partial<NodeSDKConfiguration>): NodeSDK {
  environment({ OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' })
  const sdk = new NodeSDK({ autoDetectResources: false, ...configuration })
  sdk.start()
  onTestFinished(async () => {
    await sdk.shutdown().catch(() => undefined)
    forgetTelemetry()
  })
  return sdk
}
