import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { taken } from '../../src/host/globals.js'
import { within } from '../../src/host/timers.js'
import { DurableAuditExporter } from '../../src/exporter/exporter.js'
import { AuditSpanProcessor } from '../../src/otel/processor.js'
import { SecretAuditService } from '../../src/service/service.js'
import { NoopAuditSink } from '../../src/sinks/noop.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'

const TOO_LONG = 2 ** 31
const databaseUrl = 'postgres://127.0.0.1:9/trail'
const exporter = new DurableAuditExporter({ sink: new NoopAuditSink() })

describe('a time that no timer can wait', () => {
  const made = {
    lingerMs: (lingerMs: number) => new DurableAuditExporter({ sink: new NoopAuditSink(), lingerMs }),
    answerTimeoutMs: (answerTimeoutMs: number) => new PostgresAuditSink({ databaseUrl, answerTimeoutMs }),
    idleAfterMs: (idleAfterMs: number) => new PostgresAuditSink({ databaseUrl, idleAfterMs }),
    deadlineMs: (deadlineMs: number) => new SecretAuditService({ deadlineMs }),
    flushTimeoutMs: (flushTimeoutMs: number) => new AuditSpanProcessor(exporter, { flushTimeoutMs }),
  }

  test.each(Object.entries(made))('is refused as %s', (field, make) => {
    const endless = field === 'flushTimeoutMs' ? [] : [Number.POSITIVE_INFINITY, TOO_LONG]
    for (const ms of [Number.NaN, -1, ...endless]) {
      expect(() => make(ms), String(ms)).toThrow(
        expect.objectContaining({ code: 'AUDIT_INVALID_OPTION', field }) as Error,
      )
    }
    expect(() => make(1000)).not.toThrow()
  })
})

describe('waiting', () => {
  test.each([
    ['longer than a timer can', 3 * TOO_LONG, 3 * TOO_LONG],
    ['for ever', Number.POSITIVE_INFINITY, undefined],
  ])('%s', async (_, ms, ends) => {
    vi.useFakeTimers()
    const { setTimeout, clearTimeout } = taken
    Object.assign(taken, { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout })
    onTestFinished(() => {
      Object.assign(taken, { setTimeout, clearTimeout })
      vi.useRealTimers()
    })
    let isOver = false
    const wait = async (): Promise<void> => {
      await within(ms, new Promise(() => {}))
      isOver = true
    }
    void wait()
    await vi.advanceTimersByTimeAsync(3 * TOO_LONG - 1)
    expect(isOver).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(isOver).toBe(ends !== undefined)
  })
})
