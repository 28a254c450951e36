import type { MeterProvider } from '@opentelemetry/sdk-metrics'
import { createAudit, Operation, Outcome, RecordingAuditSink, VERSION } from 'otel-audit'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  AuditMetrics,
  COUNTERS,
  OPERATION_LABELS,
  OUTCOME_LABELS,
  WRITE_STATUSES,
} from '../../src/otel/metrics.js'
import { type Sample, scraper } from './scrape.js'

const WRITES = 'noetl_secret_audit_writes_total'
const ACCESS = { credential: 'orders-db', operation: 'get_credential', outcome: 'ok' } as const

const of = (samples: readonly Sample[], name: string) => samples.filter((sample) => sample.name === name)
const sum = (samples: readonly Sample[]) => samples.reduce((total, { value }) => total + value, 0)

function writes(samples: readonly Sample[], labels: Readonly<Record<string, string>>): number {
  const matching = of(samples, WRITES).filter((sample) =>
    Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  )
  return sum(matching)
}

describe('from the first collection', () => {
  it('every series of the closed label set is there, at 0', async () => {
    const { samples } = scraper()
    new AuditMetrics().refresh()
    const found = await samples()
    const wanted = OPERATION_LABELS.flatMap((operation) =>
      OUTCOME_LABELS.flatMap((outcome) =>
        WRITE_STATUSES.map((status) => ({ name: WRITES, labels: { operation, outcome, status }, value: 0 })),
      ),
    )
    expect(of(found, WRITES)).toEqual(wanted)
    expect(wanted).toHaveLength(12 * 18 * 3)
  })

  it('so is every other counter and gauge', async () => {
    const { samples } = scraper()
    new AuditMetrics().refresh()
    const found = await samples()
    for (const name of Object.keys(COUNTERS)) {
      const counter = `noetl_secret_audit_${name.replaceAll('.', '_')}_total`
      expect(of(found, counter)).toEqual([{ name: counter, labels: {}, value: 0 }])
    }
    const gauges = found.filter(({ name }) => !name.endsWith('_total'))
    const zero = (name: string) => ({ name: `noetl_secret_audit_${name}`, labels: {}, value: 0 })
    expect(gauges).toEqual([
      zero('queue_depth'),
      zero('oldest_pending_age'),
      zero('spool_depth'),
      zero('spool_bytes'),
      { name: 'noetl_secret_audit_build_info', labels: { version: VERSION }, value: 1 },
    ])
  })

  it('a pipeline that has started shows them, and none of it before', async () => {
    const { samples } = scraper()
    const audit = createAudit({ sink: new RecordingAuditSink() })
    onTestFinished(() => audit.close())
    expect(await samples()).toEqual([])
    await audit.start()
    expect(of(await samples(), WRITES)).toHaveLength(648)
  })
})

describe('a MeterProvider that comes late, or another one', () => {
  it('gets what was counted before it', async () => {
    const counted = new AuditMetrics()
    counted.countWrite(ACCESS, 'written', 3)
    counted.refresh()
    counted.count('records.direct')
    const { samples } = scraper()
    expect(await samples()).toEqual([])
    counted.refresh()
    const found = await samples()
    expect(writes(found, { ...labels(), status: 'written' })).toBe(3)
    expect(sum(of(found, 'noetl_secret_audit_records_direct_total'))).toBe(1)
  })

  it('takes over with the totals kept, and the one before is let go', async () => {
    const counted = new AuditMetrics()
    const first = scraper()
    counted.refresh()
    counted.countWrite(ACCESS, 'written')
    expect(writes(await first.samples(), { status: 'written' })).toBe(1)

    const second = scraper()
    counted.refresh()
    counted.countWrite(ACCESS, 'written')
    counted.recordCommit(0.003, 2)
    const found = await second.samples()
    expect(writes(found, { status: 'written' })).toBe(2)
    expect(sum(of(found, 'noetl_secret_audit_commit_duration_count'))).toBe(1)
    const stale = await first.samples()
    expect(writes(stale, { status: 'written' })).toBeLessThan(2)
    expect(of(stale, 'noetl_secret_audit_commit_duration_count')).toEqual([])
  })

  it('is found at the next record, without another start', async () => {
    const sink = new RecordingAuditSink()
    const audit = createAudit({ sink })
    onTestFinished(() => audit.close())
    await audit.start()
    await audit.service.recordStrict(ACCESS)
    const { samples } = scraper()
    await audit.service.recordStrict(ACCESS)
    expect(writes(await samples(), { ...labels(), status: 'written' })).toBe(2)
  })

  it('is not looked for twice', () => {
    const counted = new AuditMetrics()
    const { provider } = scraper()
    let asked = 0
    const getMeter = provider.getMeter.bind(provider)
    ;(provider as MeterProvider).getMeter = (...args) => {
      asked++
      return getMeter(...args)
    }
    for (let i = 0; i < 10; i++) counted.refresh()
    expect(asked).toBe(1)
  })
})

it('the rows of the pipeline about itself are one operation, ok, or other where somebody has to look', async () => {
  const { samples } = scraper()
  const counted = new AuditMetrics()
  counted.refresh()
  counted.countWrite({ operation: 'audit_lifecycle', outcome: 'started' }, 'written')
  counted.countWrite({ operation: 'audit_coverage', outcome: 'hooked' }, 'written')
  counted.countWrite({ operation: 'audit_coverage', outcome: 'not_hooked' }, 'written')
  counted.countWrite({ operation: 'audit_gap', outcome: 'lost' }, 'written')
  const found = of(await samples(), WRITES).filter(({ value }) => value > 0)
  expect(found.map(({ labels, value }) => [labels['operation'], labels['outcome'], value])).toEqual([
    ['audit', 'ok', 2],
    ['audit', 'other', 2],
  ])
})

describe('the number of series', () => {
  it('stays bounded by any number of names; the rows keep each of them', async () => {
    const { samples, exposition } = scraper()
    const sink = new RecordingAuditSink()
    const audit = createAudit({ sink })
    onTestFinished(() => audit.close())
    await audit.start()
    for (let i = 0; i < 100; i++) {
      for (let j = 0; j < 100; j++) {
        const [operation, outcome] = [Operation.define(`mine_${i}`), Outcome.other(`result_${j}`)]
        audit.service.recordAsync({ credential: 'a', operation, outcome })
      }
    }
    await audit.flush()
    const found = await samples()
    const series = of(found, WRITES)
    expect(series.length).toBeLessThan(2000)
    expect(new Set(series.map((sample) => sample.labels['operation'])).size).toBe(20)
    expect(new Set(series.map((sample) => sample.labels['outcome'])).size).toBe(32)
    // The pipeline's own lifecycle row, too.
    expect(writes(found, { status: 'written' })).toBe(10_000 + 1)
    expect(writes(found, { operation: 'other', outcome: 'other', status: 'written' })).toBeGreaterThan(5000)
    expect(await exposition()).not.toContain('otel_metric_overflow')
    const mine = sink.events.filter(({ operation }) => operation.startsWith('mine_'))
    expect(new Set(mine.map(({ operation, outcome }) => `${operation} ${outcome}`)).size).toBe(10_000)
  })
})

describe('what a record says', () => {
  it('is never a label: no credential, id, hash or free text', async () => {
    const { exposition } = scraper()
    const sink = new RecordingAuditSink()
    const audit = createAudit({ sink, serviceName: 'canary-service', serviceInstanceId: 'canary-instance' })
    onTestFinished(() => audit.close())
    const { auditId } = await audit.service.recordStrict({
      ...ACCESS,
      credential: 'canary-credential\n',
      workerId: 'canary-worker',
      executionId: 7_216_413_337_829_376n,
      serverRegion: 'canary-region',
      brokerRegion: 'canary-broker',
      kekVersion: 'canary-kek',
      notes: 'canary-notes',
      actorId: 'canary-actor',
      actorType: 'system',
      sourceAddress: 'canary-address',
      attributes: { canary_key: 'canary-value' },
    })
    const text = await exposition()
    expect(text).toContain(`${WRITES}{operation="get_credential",outcome="ok",status="written"`)
    for (const leak of ['canary', String(auditId), '7216413337829376', 'system', sha256Of(sink)]) {
      expect(text).not.toContain(leak)
    }
  })
})

describe('the histograms', () => {
  it('have boundaries that tell a commit of a millisecond from one of seconds', async () => {
    const { samples } = scraper()
    const counted = new AuditMetrics()
    counted.refresh()
    counted.recordCommit(0.0015, 64)
    counted.recordCommit(3, 1)
    const found = await samples()
    const buckets = (name: string) =>
      of(found, `${name}_bucket`).map(({ labels: { le }, value }) => [le, value])
    expect(buckets('noetl_secret_audit_commit_duration')).toEqual([
      ['0.001', 0],
      ...['0.002', '0.005', '0.01', '0.02', '0.05', '0.1', '0.2', '0.5', '1', '2'].map((le) => [le, 1]),
      ...['5', '10', '+Inf'].map((le) => [le, 2]),
    ])
    expect(buckets('noetl_secret_audit_batch_size')).toEqual([
      ...['1', '2', '4', '8', '16', '32'].map((le) => [le, 1]),
      ...['64', '128', '256', '512', '+Inf'].map((le) => [le, 2]),
    ])
  })
})

describe('how the writes of strict and async events end', () => {
  it('is counted by status, once per event', async () => {
    const { samples } = scraper()
    const fault = { code: 'AUDIT_REJECTED', message: 'check constraint' } as const
    const sink = new RecordingAuditSink(({ entries }) =>
      entries.some(({ event }) => event.credential === 'bad') ? { status: 'refused', fault } : undefined,
    )
    const audit = createAudit({ sink, lingerMs: 0 })
    onTestFinished(() => audit.close())
    await audit.start()
    audit.service.recordAsync(ACCESS)
    audit.service.recordAsync({ ...ACCESS, credential: 'bad' })
    await expect(audit.service.recordStrict({ ...ACCESS, credential: 'bad' })).rejects.toThrow(
      'AUDIT_REJECTED',
    )
    await audit.service.recordStrict(ACCESS)
    await audit.flush()
    const found = await samples()
    const statuses = WRITE_STATUSES.map((status) => [status, writes(found, { ...labels(), status })])
    expect(Object.fromEntries(statuses)).toEqual({ written: 2, dropped_async: 1, failed_strict: 1 })
    expect(sum(of(found, 'noetl_secret_audit_strict_denied_total'))).toBe(1)
    // With the pipeline's own rows: that it started, and that two events are lost.
    expect(sum(of(found, 'noetl_secret_audit_records_emitted_total'))).toBe(writes(found, {}))
  })
})

function labels() {
  return { operation: ACCESS.operation, outcome: ACCESS.outcome }
}

function sha256Of(sink: RecordingAuditSink): string {
  const json = JSON.parse(sink.events[0]?.attributesJson ?? '{}') as Record<string, string>
  return json['sanitized.credential'] ?? 'missing'
}
