import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { createAudit } from '../../src/audit/audit.js'
import { readAnchors } from '../../src/verify/anchor-file.js'
import { Anchors } from '../../src/verify/anchors.js'
import { BlockAnchors } from '../../src/otel/block-anchors.js'
import { AuditSampler } from '../../src/otel/sampler.js'
import type { CommittedBlock } from '../../src/contract/sink.js'
import { migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf, entryOf } from '../support/events.js'
import { verifiedTrail } from '../support/verified.js'
import { AlwaysOnSampler, type ReadableSpan } from '@opentelemetry/sdk-trace-base'
import { thrower, traced } from '../service/telemetry.js'
import { ACCESS } from './own-sdk.js'

let database: TestDatabase

beforeAll(async () => {
  database = await migratedDatabase()
})

afterAll(() => database.drop())

const aBlock = (fields: Partial<CommittedBlock> = {}): CommittedBlock => ({
  log: 'otel-audit/wallet',
  chain: '8f9b4c0000000000000000000000aa01',
  block: 7,
  kind: 'data',
  hash: Buffer.alloc(32, 1),
  note: 'a note\n',
  entries: [entryOf(anEvent({}, { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) })), entryOf(anEvent())],
  ...fields,
})

/** Says these blocks, and waits for it: rows of data blocks are told to their callers first. */
async function emitAll(...blocks: readonly CommittedBlock[]): Promise<void> {
  const anchors = new BlockAnchors()
  for (const block of blocks) anchors.emit(block)
  await new Promise(setImmediate)
}

const noted = (spans: readonly ReadableSpan[]): unknown[] =>
  spans.flatMap(({ events }) => events.map(({ attributes }) => attributes?.['secret_audit.note']))

describe('a committed block', () => {
  it('is a span of its own, linked to the spans of its rows', async () => {
    const { spans } = traced()
    await emitAll(aBlock())
    const [span] = spans()
    expect(span).toMatchObject({ name: 'secret_audit commit', parentSpanContext: undefined })
    expect(span?.attributes).toEqual({
      'secret_audit.log': 'otel-audit/wallet',
      'secret_audit.chain': '8f9b4c0000000000000000000000aa01',
      'secret_audit.block': 7,
      'secret_audit.block_kind': 'data',
      'secret_audit.rows': 2,
      'secret_audit.block_hash': '01'.repeat(32),
    })
    expect(span?.links.map(({ context }) => [context.traceId, context.spanId])).toEqual([
      ['a'.repeat(32), 'b'.repeat(16)],
    ])
  })

  const many = (count: number) =>
    batchOf(
      ...Array.from({ length: count }, (_, i) =>
        anEvent({}, { traceId: 'a'.repeat(32), spanId: (i + 1).toString(16).padStart(16, '0') }),
      ),
    ).entries

  it.each([
    [128, undefined, 128],
    [129, undefined, 128],
    [512, undefined, 128],
    [300, '1000', 128],
    [300, '16', 16],
    [3, '0', 0],
  ])('of %d rows has no more links than the SDK keeps (limit %s): %d', async (rows, limit, links) => {
    vi.stubEnv('OTEL_SPAN_LINK_COUNT_LIMIT', limit)
    onTestFinished(() => void vi.unstubAllEnvs())
    const { spans } = traced()
    await emitAll(aBlock({ entries: many(rows) }))
    const [span] = spans()
    expect(span?.links).toHaveLength(links)
    expect(span?.droppedLinksCount).toBe(0)
    expect(span?.attributes['secret_audit.links_omitted']).toBe(rows > links ? rows - links : undefined)
  })

  it('says its whole note at first, at every end, and otherwise now and then', async () => {
    const { spans } = traced()
    const kinds = ['genesis', 'data', 'data', 'data', 'idle', 'rotate', 'data', 'close'] as const
    const blocks = kinds.map((kind, block) => aBlock({ kind, block, note: `${block} ${kind}\n` }))
    await emitAll(...blocks, aBlock({ chain: '0'.repeat(32), note: 'another chain\n' }))
    expect(noted(spans())).toEqual(['1 data\n', '4 idle\n', '5 rotate\n', '7 close\n', 'another chain\n'])
  })

  it('says its note no more often when two chains are written in turns, however many there were before', async () => {
    const { spans } = traced()
    const chains = Array.from({ length: 12 }, (_, i) => `${i}`.padStart(32, '0'))
    const before = chains.map((chain) => aBlock({ chain, note: 'before\n' }))
    const turns = [8, 9, 10, 11].flatMap((block) =>
      chains.slice(-2).map((chain) => aBlock({ chain, block, note: 'again\n' })),
    )
    await emitAll(...before, ...turns)
    expect(noted(spans())).toEqual(chains.map(() => 'before\n'))
  })

  it('is emitted at once when it may be the last of the process, with all before it', () => {
    const { spans } = traced()
    const anchors = new BlockAnchors()
    anchors.emit(aBlock())
    expect(spans()).toEqual([])
    anchors.emit(aBlock({ kind: 'close', block: 8 }))
    expect(spans().map(({ attributes }) => attributes['secret_audit.block'])).toEqual([7, 8])
  })

  it('says its note in the log, where there is one', async () => {
    const { spans } = traced()
    const records: Record<string, unknown>[] = []
    const key = Symbol.for('io.opentelemetry.js.api.logs')
    const holder = globalThis as { [key]?: unknown }
    const provider = {
      getLogger: () => ({ emit: (record: Record<string, unknown>) => records.push(record) }),
    }
    holder[key] = (version: number) => (version === 1 ? provider : undefined)
    onTestFinished(() => {
      delete holder[key]
    })
    await emitAll(aBlock())
    expect(records).toMatchObject([
      {
        eventName: 'secret_audit.anchor',
        severityNumber: 9,
        body: 'a note\n',
        attributes: { 'secret_audit.block': 7 },
      },
    ])
    expect(noted(spans())).toEqual([])
  })

  it('changes nothing when the tracer is broken', async () => {
    traced([{ onStart: thrower, onEnd: thrower, forceFlush: thrower, shutdown: () => Promise.resolve() }])
    await emitAll(aBlock())
  })
})

/** As the file exporter of the collector writes it. */
function otlpLines(spans: readonly ReadableSpan[]): string[] {
  const valueOf = (value: unknown): object =>
    typeof value === 'number' ? { intValue: String(value) } : { stringValue: String(value) }
  const list = (attributes: object = {}): object[] =>
    Object.entries(attributes).map(([key, value]) => ({ key, value: valueOf(value) }))
  return spans.map(({ name, attributes, events }) =>
    JSON.stringify({
      resourceSpans: [
        {
          scopeSpans: [
            {
              spans: [
                {
                  name,
                  attributes: list(attributes),
                  events: events.map((event) => ({ name: event.name, attributes: list(event.attributes) })),
                },
              ],
            },
          ],
        },
      ],
    }),
  )
}

describe('a whole pipeline', () => {
  it('says in its traces where the rows are, and the verifier takes its word', async () => {
    const audit = createAudit({ databaseUrl: database.url, serviceName: 'wallet' })
    const { spans } = traced([audit.processor], new AuditSampler(new AlwaysOnSampler()))
    await audit.start()
    const receipt = await audit.service.recordStrict(ACCESS)
    audit.service.recordAsync(ACCESS)
    await audit.flush()
    await audit.close()
    const strict = spans().find(({ attributes }) => attributes['audit.record.id'] === String(receipt.auditId))
    const { log, chain, block, index } = receipt.place ?? {}
    expect(strict?.attributes).toMatchObject({
      'secret_audit.place': `${log}/${chain}/${block}/${index}`,
    })
    expect(receipt.digest).toHaveLength(32)
    const commit = spans().find(
      ({ name, attributes }) => name === 'secret_audit commit' && attributes['secret_audit.block'] === block,
    )
    expect(commit?.links.map(({ context }) => context.spanId)).toContain(strict?.spanContext().spanId)

    const anchors = async (): Promise<Anchors> => {
      const read = new Anchors()
      await readAnchors(otlpLines(spans()), read)
      return read
    }
    const honest = await verifiedTrail(database.url, {}, {}, await anchors())
    expect(honest.found).toEqual([])
    expect(honest.anchors).toMatchObject({ foreign: 0, given: honest.blocks, held: honest.blocks })
    expect(noted(spans()).length).toBeGreaterThan(1)
  })
})
