import { trace, type TracerProvider } from '@opentelemetry/api'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createAudit } from '../../src/audit/audit.js'
import { forgetTelemetry } from '../service/telemetry.js'
import { ACCESS, recordingAudit, startSdk } from './own-sdk.js'

/** A second copy of the package, as a bundled application has one beside the preloaded one. */
async function secondCopy() {
  vi.resetModules()
  const copy = await import('../../src/index.js')
  expect(copy.createAudit).not.toBe(createAudit)
  return copy
}

describe('two copies of the package in one process', () => {
  it('the helper of one, and the pipeline of the other: each record is stored and counted once', async () => {
    const { audit, rows } = recordingAudit()
    startSdk(audit.withSdk({ spanProcessors: [] }))
    await audit.start()
    const { SecretAuditService } = await secondCopy()
    const service = new SecretAuditService()
    service.recordAsync(ACCESS)
    await service.recordStrict(ACCESS)
    const stored = await rows()
    expect(stored).toHaveLength(2)
    expect(new Set(stored.map(({ spanId }) => spanId)).size).toBe(2)
    // The third is the row that says that the pipeline was started.
    expect(audit.stats()).toMatchObject({ emitted: 3, written: 3, pending: 0 })
  })
})

it.each([['a text'], [7], [undefined], [null]])(
  'a tracer whose spans are %o changes nothing about the record',
  async (span) => {
    const provider = { getTracer: () => ({ startSpan: () => span }) } as unknown as TracerProvider
    trace.setGlobalTracerProvider(provider)
    onTestFinished(forgetTelemetry)
    const { audit, rows } = recordingAudit()
    audit.service.recordAsync(ACCESS)
    await audit.service.recordStrict(ACCESS)
    expect(await rows()).toHaveLength(2)
  },
)
