import { describe, expect, test } from 'vitest'
import { readAnchors } from '../../src/verify/anchor-file.js'
import { Anchors } from '../../src/verify/anchors.js'
import type { Selection } from '../../src/verify/source.js'
import { chainOf, LOG, MemoryTrail, MemoryWriter, type Verified, verified } from './memory-trail.js'

const MALFORMED = expect.objectContaining({ code: 'AUDIT_EVIDENCE_MALFORMED' })

const attributes = (values: Record<string, string | number>): object[] =>
  Object.entries(values).map(([key, value]) => ({
    key,
    value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value },
  }))

const traces = (...spans: object[]): string =>
  JSON.stringify({
    resourceSpans: [{ resource: {}, scopeSpans: [{ scope: { name: 'otel-audit' }, spans }] }],
  })
const logs = (...logRecords: object[]): string =>
  JSON.stringify({ resourceLogs: [{ resource: {}, scopeLogs: [{ scope: {}, logRecords }] }] })

interface Scene {
  readonly trail: MemoryTrail
  readonly writer: MemoryWriter
  /** Lines that say of each block what its span says. */
  readonly spans: readonly string[]
  readonly notes: readonly string[]
}

const spansOf = ({ sent }: MemoryWriter): string[] =>
  sent.map(({ block, hash }) =>
    traces({
      name: 'secret_audit commit',
      attributes: attributes({
        'secret_audit.log': block.log,
        'secret_audit.chain': block.chain,
        'secret_audit.block': block.number,
        'secret_audit.block_hash': hash.toString('hex'),
      }),
    }),
  )

/** The same, with another hash. */
const lieOf = (span: string): string =>
  span.replace(/(block_hash","value":\{"stringValue":")[0-9a-f]{8}/, '$100000000')

function scene(): Scene {
  const trail = new MemoryTrail()
  const writer = new MemoryWriter(trail)
  for (const size of [2, 3, 1]) writer.write(size)
  const spans = spansOf(writer)
  return { trail, writer, spans, notes: writer.sent.map(({ note }) => note) }
}

async function verifiedWith(
  trail: MemoryTrail,
  lines: readonly string[],
  origin?: string,
  selection: Partial<Selection> = {},
): Promise<Verified> {
  const anchors = new Anchors()
  await readAnchors(lines.join('\n').split('\n'), anchors)
  return verified(trail, { origin }, selection, anchors)
}

describe('anchors', () => {
  test('hold, in whatever form they come', async () => {
    const { trail, spans, notes, writer } = scene()
    const [, , , last = ''] = notes
    const note = attributes({ 'secret_audit.note': last })
    for (const lines of [
      spans,
      notes,
      [...spans, ...notes, ''],
      [logs({ body: { stringValue: last }, attributes: note })],
      [traces({ name: 'secret_audit commit', events: [{ name: 'secret_audit.anchor', attributes: note }] })],
    ]) {
      const { found, anchors } = await verifiedWith(trail, lines)
      expect([found, anchors.foreign]).toEqual([[], 0])
      expect(anchors.held).toBe(anchors.given)
      expect(anchors.given).toBe(lines.length >= 4 ? writer.sent.length : 1)
    }
  })

  test('say that blocks are gone: at the end, in the middle of what is left, or all of them', async () => {
    const { trail, spans, notes, writer } = scene()
    const whole = trail.table
    trail.table = whole.slice(0, 2)
    trail.dropRows(writer.id, 0)
    trail.rows = []
    for (const lines of [spans, notes]) {
      const { found } = await verifiedWith(trail, lines)
      expect(found.filter(({ code }) => code === 'anchor-missing')).toMatchObject([
        { chain: writer.id, block: 2 },
      ])
    }
    trail.table = []
    for (const lines of [spans, notes]) {
      expect((await verifiedWith(trail, lines)).found).toMatchObject([
        { code: 'anchor-missing', chain: writer.id, block: 0 },
      ])
    }
  })

  test('say that a block is another one', async () => {
    const { trail, spans, writer } = scene()
    const { found, anchors } = await verifiedWith(trail, [lieOf(spans[1] ?? '')])
    expect(found).toMatchObject([{ code: 'anchor-mismatch', chain: writer.id, block: 1 }])
    expect(anchors).toEqual({ given: 1, held: 0, retired: 0, foreign: 0 })
  })

  test('that contradict each other do not hold, in whatever order they come', async () => {
    const { trail, writer, spans } = scene()
    const [, span = ''] = spans
    const ofAnotherLog = span.replace(LOG, 'otel-audit/other')
    for (const [first, second] of [
      [span, lieOf(span)],
      [span, lieOf(ofAnotherLog)],
    ] as const) {
      for (const lines of [
        [first, second],
        [second, first],
      ]) {
        const { found, anchors } = await verifiedWith(trail, lines, LOG)
        expect(found).toMatchObject([{ code: 'anchor-mismatch', chain: writer.id, block: 1 }])
        expect(anchors).toEqual({ given: 1, held: 0, retired: 0, foreign: 0 })
      }
    }
    // Nor does one that names another log hide that the block is gone.
    trail.table = []
    trail.rows = []
    for (const lines of [
      [span, ofAnotherLog],
      [ofAnotherLog, span],
    ]) {
      expect((await verifiedWith(trail, lines, LOG)).anchors).toEqual({
        given: 1,
        held: 0,
        retired: 0,
        foreign: 0,
      })
    }
  })

  test('of a strict record say that its block is there', async () => {
    const { trail, writer } = scene()
    const strict = (block: number): string =>
      traces({
        name: 'secret_audit get_credential',
        attributes: attributes({
          'secret_audit.place': `${LOG}/${writer.id}/${block}/0`,
        }),
      })
    expect((await verifiedWith(trail, [strict(2)])).anchors).toMatchObject({ given: 1, held: 1 })
    expect((await verifiedWith(trail, [strict(9)])).found).toMatchObject([
      { code: 'anchor-missing', block: 9 },
    ])
  })

  test('are all ours, as long as the trust file names no log: the database may say what it likes', async () => {
    const { trail, writer, spans, notes } = scene()
    trail.table = []
    trail.rows = []
    new MemoryWriter(trail, undefined, chainOf('otel-audit/other')).write(1)
    for (const lines of [spans, notes]) {
      const { found, anchors } = await verifiedWith(trail, lines)
      expect(found).toMatchObject([{ code: 'anchor-missing', chain: writer.id, block: 0 }])
      expect(found[0]?.message).toContain('the trust file has to name this one (origin)')
      expect(anchors).toEqual({ given: lines.length, held: 0, retired: 0, foreign: 0 })
    }
    // Of two logs, one is gone.
    const both = scene()
    const other = new MemoryWriter(both.trail, undefined, chainOf('otel-audit/other'))
    other.write(1)
    both.trail.table = both.trail.table.filter(({ chainId }) => chainId === other.id)
    both.trail.rows = both.trail.rows.filter(({ chain }) => chain === other.id)
    expect((await verifiedWith(both.trail, both.spans)).found).toMatchObject([
      { code: 'anchor-missing', chain: both.writer.id, block: 0 },
    ])
  })

  test('of other logs than the trust file names are not ours', async () => {
    const { writer, spans, notes } = scene()
    const trail = new MemoryTrail()
    const other = new MemoryWriter(trail, undefined, chainOf('otel-audit/other'))
    other.write(1)
    for (const lines of [spans, notes]) {
      const mixed = [...lines, ...spansOf(other)]
      const { found, anchors } = await verifiedWith(trail, mixed, 'otel-audit/other')
      expect([found, anchors]).toEqual([[], { given: 2, held: 2, retired: 0, foreign: lines.length }])
      const ours = await verifiedWith(new MemoryTrail(), mixed, LOG)
      expect(ours.found).toMatchObject([{ code: 'anchor-missing', chain: writer.id, block: 0 }])
      expect(ours.anchors).toEqual({ given: lines.length, held: 0, retired: 0, foreign: 2 })
    }
  })

  test('of a strict record of another log are not ours', async () => {
    const { trail } = scene()
    const said = { 'secret_audit.place': `otel-audit/other/${'0'.repeat(32)}/2/0` }
    const { found, anchors } = await verifiedWith(trail, [traces({ attributes: attributes(said) })], LOG)
    expect([found, anchors]).toEqual([[], { given: 0, held: 0, retired: 0, foreign: 1 }])
  })

  test('that do not say their log are ours', async () => {
    const { trail, writer, spans } = scene()
    trail.table = []
    trail.rows = []
    const lines = spans.map((span) => span.replace('secret_audit.log', 'log'))
    for (const origin of [undefined, LOG]) {
      expect((await verifiedWith(trail, lines, origin)).found).toMatchObject([
        { code: 'anchor-missing', chain: writer.id, block: 0 },
      ])
    }
  })

  test('of other chains than the one that is looked at are left alone', async () => {
    const { trail, writer, spans } = scene()
    const other = new MemoryWriter(trail)
    other.write(1)
    const lines = [...spans, ...spansOf(other)]
    for (const [chain, count] of [
      [writer.id, spans.length],
      [other.id, 2],
    ] as const) {
      const { found, anchors } = await verifiedWith(trail, lines, undefined, { chain })
      expect([found, anchors]).toEqual([[], { given: count, held: count, retired: 0, foreign: 0 }])
    }
    trail.table = []
    trail.rows = []
    expect((await verifiedWith(trail, lines, undefined, { chain: other.id })).found).toMatchObject([
      { code: 'anchor-missing', chain: other.id, block: 0 },
    ])
  })

  test('of all blocks hold, also when a part of the rows is looked at', async () => {
    const { trail, writer, spans } = scene()
    const { auditId } = trail.rowAt(writer.id, 2, 1).event
    const ids = { first: auditId, last: auditId }
    const { found, anchors } = await verifiedWith(trail, spans, undefined, { ids })
    expect([found, anchors.held]).toEqual([[], spans.length])
  })

  test('beside anything else that a backend has', async () => {
    const { trail, spans } = scene()
    const lines = [
      '{}',
      '[]',
      '{"resourceSpans":null,"resourceLogs":[null,1,{"scopeLogs":"x"}]}',
      traces(
        { name: 'GET /', attributes: attributes({ 'secret_audit.chain': 'x' }) },
        { name: 'secret_audit commit' },
      ),
      logs({ body: { stringValue: 'hello' } }),
      '{"resourceMetrics":[]}',
      ...spans,
    ]
    const { anchors, unread } = await verifiedWith(trail, lines)
    expect(anchors).toEqual({ given: spans.length, held: spans.length, retired: 0, foreign: 0 })
    expect(unread).toEqual({ count: 0, first: [] })
  })

  test.each([
    ['a line that is neither', ['{}', 'hello'], 'line 2'],
    ['a line that is no object', ['1'], 'line 1'],
    ['a block cut short', ['otel-audit/block/v1', 'log x'], 'line 1'],
    [
      'a note in a log that is none',
      [logs({ attributes: attributes({ 'secret_audit.note': 'x' }) })],
      'line 1',
    ],
  ])('that cannot be read are told: %s', async (_, lines, place) => {
    await expect(readAnchors(lines, new Anchors())).rejects.toThrow(MALFORMED)
    await expect(readAnchors(lines, new Anchors())).rejects.toThrow(place)
  })
})
