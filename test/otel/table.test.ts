import { context, trace } from '@opentelemetry/api'
import { core, type NodeSDK, type NodeSDKConfiguration } from '@opentelemetry/sdk-node'
import { AlwaysOffSampler, type Sampler, type SpanProcessor } from '@opentelemetry/sdk-trace-base'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type Audit, createAudit } from '../../src/audit/audit.js'
import type { AuditEvent } from '../../src/event/event.js'
import { AuditSampler } from '../../src/otel/sampler.js'
import { migratedDatabase, type TestDatabase } from '../support/database.js'
import { readTrail } from '../support/trail.js'
import { listening, thrower } from '../service/telemetry.js'
import { startSdk } from './own-sdk.js'
import { scraper } from './scrape.js'

let database: TestDatabase

beforeAll(async () => {
  database = await migratedDatabase()
})

afterAll(async () => {
  await database.drop()
})

const nothing: SpanProcessor = {
  onStart: () => {},
  onEnd: () => {},
  forceFlush: () => Promise.resolve(),
  shutdown: () => Promise.resolve(),
}

/** One record of each kind. The notes tell them apart. */
async function recordAll({ service }: Audit, credential: string): Promise<void> {
  const access = { credential, operation: 'get_credential' } as const
  service.recordAsync({ ...access, outcome: 'ok', notes: 'async' })
  await service.recordStrict({ ...access, outcome: 'ok', notes: 'strict' })
  expect(await service.guard({ ...access, notes: 'guarded' }, () => 'canary-77d0', { mode: 'strict' })).toBe(
    'canary-77d0',
  )
  const denial = new Error('no such key')
  const refused = service.guard({ ...access, notes: 'denied' }, () => Promise.reject(denial))
  await expect(refused).rejects.toBe(denial)
}

const RECORDED = ['async', 'strict', 'guarded', 'denied']

interface Situation {
  readonly configure?: (audit: Audit) => Partial<NodeSDKConfiguration> | undefined
  readonly run?: (record: () => Promise<void>, sdk: NodeSDK | undefined) => Promise<void>
  /** Whether the rows carry trace ids. */
  readonly traced: boolean
  /** Whether they came without the trace. */
  readonly direct: boolean
}

const throwingSampler: Sampler = { shouldSample: thrower, toString: () => 'Throwing' }
const inRequest = (record: () => Promise<void>) =>
  trace.getTracer('application').startActiveSpan('request', async (span) => {
    await record()
    span.end()
  })

const SITUATIONS: Record<string, Situation> = {
  'a processor that throws in onStart': {
    configure: (audit) => audit.withSdk({ spanProcessors: [{ ...nothing, onStart: thrower }] }),
    traced: false,
    direct: false,
  },
  'the same, before ours': {
    configure: ({ processor }) => ({ spanProcessors: [{ ...nothing, onStart: thrower }, processor] }),
    traced: false,
    direct: true,
  },
  'a processor that throws in onEnd': {
    configure: (audit) => audit.withSdk({ spanProcessors: [{ ...nothing, onEnd: thrower }] }),
    traced: true,
    direct: false,
  },
  'the same, before ours,': {
    configure: ({ processor }) => ({ spanProcessors: [{ ...nothing, onEnd: thrower }, processor] }),
    traced: true,
    direct: false,
  },
  'an exporter that throws': {
    configure: (audit) =>
      audit.withSdk({ traceExporter: { export: thrower, shutdown: () => Promise.resolve() } }),
    traced: true,
    direct: false,
  },
  'a sampler that throws': {
    configure: (audit) => audit.withSdk({ spanProcessors: [], sampler: throwingSampler }),
    traced: false,
    direct: true,
  },
  'a sampler of somebody else that samples nothing': {
    configure: ({ processor }) => ({
      spanProcessors: [processor],
      sampler: new AlwaysOffSampler(),
    }),
    traced: true,
    direct: true,
  },
  'ours twice': {
    configure: (audit) => {
      const { sampler, spanProcessors } = audit.withSdk({ spanProcessors: [nothing] })
      return { sampler: new AuditSampler(sampler), spanProcessors: [...spanProcessors, audit.processor] }
    },
    traced: true,
    direct: false,
  },
  'suppressed tracing': {
    configure: (audit) => audit.withSdk({ spanProcessors: [] }),
    run: (record) => context.with(core.suppressTracing(context.active()), record),
    traced: false,
    direct: true,
  },
  'suppressed tracing below a span': {
    configure: (audit) => audit.withSdk({ spanProcessors: [] }),
    run: (record) => inRequest(() => context.with(core.suppressTracing(context.active()), record)),
    traced: true,
    direct: true,
  },
  'after the end of the SDK': {
    configure: (audit) => audit.withSdk({ spanProcessors: [] }),
    run: async (record, sdk) => {
      await sdk?.shutdown()
      await record()
    },
    traced: true,
    direct: true,
  },
  'no SDK at all': { traced: false, direct: true },
}

describe('the rows are the same, each once, whatever becomes of the trace', () => {
  it.each(Object.keys(SITUATIONS))('%s', async (name) => {
    const { configure, run = (record) => record(), traced, direct } = SITUATIONS[name] as Situation
    listening()
    const { samples } = scraper()
    const audit = createAudit({ databaseUrl: database.url, serviceName: name })
    onTestFinished(() => audit.close())
    const configuration = configure?.(audit)
    const sdk = configuration && startSdk(configuration)
    await audit.start()
    await run(() => recordAll(audit, name), sdk)
    await audit.flush()

    const rows = await rowsOf(name)
    expect(rows.map(({ notes }) => notes)).toEqual(RECORDED)
    for (const { traceId, spanId } of rows) {
      expect(traceId).toEqual(traced ? expect.stringMatching(/^[0-9a-f]{32}$/) : null)
      expect(spanId).toEqual(traced ? expect.stringMatching(/^[0-9a-f]{16}$/) : null)
    }
    // And the row that says that the pipeline was started.
    expect(audit.stats()).toMatchObject({ emitted: 5, written: 5, pending: 0 })
    const counted = (await samples()).find(
      (sample) => sample.name === 'noetl_secret_audit_records_direct_total',
    )
    expect(counted?.value).toBe(direct ? 4 : 0)
  })
})

async function rowsOf(credential: string): Promise<AuditEvent[]> {
  const all = await readTrail(database.url)
  return all.map(({ event }) => event).filter((event) => event.credential === credential)
}
