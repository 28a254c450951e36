import { describe, expect, it } from 'vitest'
import { parseExposition, writesCounted } from '../../../examples/wallet/demo/exposition.js'
import type { OtlpSpan } from '../../../examples/wallet/demo/otlp-receiver.js'
import { paletteFor } from '../../../examples/wallet/demo/palette.js'
import { type Column, tableLines } from '../../../examples/wallet/demo/table.js'
import { traceTree } from '../../../examples/wallet/demo/trace-tree.js'

const plain = paletteFor({ isTTY: false }, {})

describe('paletteFor', () => {
  it('colours on a terminal, and not when NO_COLOR is set', () => {
    const terminal = { isTTY: true }
    expect(paletteFor(terminal, {}).good('ok')).toBe('\u001b[32mok\u001b[39m')
    expect(paletteFor(terminal, { NO_COLOR: '1' }).good('ok')).toBe('ok')
    expect(plain.good('ok')).toBe('ok')
  })
})

describe('tableLines', () => {
  type Row = readonly [string, string]
  const columns: Column<Row>[] = [
    { title: 'name', rank: 0, text: ([name]) => name },
    { title: 'more', rank: 1, text: ([, more]) => more },
  ]

  it('aligns', () => {
    expect(
      tableLines(
        columns,
        [
          ['a', 'b'],
          ['longer', 'c'],
        ],
        80,
      ),
    ).toEqual(['name    more', '──────  ────', 'a       b', 'longer  c'])
  })

  it('drops the least important column that does not fit, then cuts', () => {
    expect(tableLines(columns, [['longer', 'c']], 11)).toEqual(['name', '──────', 'longer'])
    expect(tableLines(columns, [['longer', 'c']], 4)).toEqual(['name', '────', 'lon…'])
  })

  it('keeps one column at least, also of equal rank', () => {
    const equal = columns.map((column) => ({ ...column, rank: 0 }))
    expect(tableLines(equal, [['longer', 'c']], 5)).toEqual(['name', '─────', 'long…'])
  })

  it('shows no control character of a name that a caller chose', () => {
    expect(tableLines(columns, [['a\u001b[2Jb\n', '']], 80)[2]).toBe('a�[2Jb�')
  })
})

describe('the Prometheus exposition', () => {
  const text = [
    '# HELP noetl_secret_audit_writes_total x',
    '# TYPE noetl_secret_audit_writes_total counter',
    'noetl_secret_audit_writes_total{operation="get_sealed",outcome="ok",status="written",otel_scope_name="a, b"} 3',
    'noetl_secret_audit_writes_total{operation="get_sealed",outcome="a\\\\b\\"c\\n",status="written"} 4 1700000000000',
    'noetl_secret_audit_writes_total{operation="get_sealed",outcome="ok",status="dropped_async"} 1',
    'other_total 7',
  ].join('\n')

  it('is read with its labels', () => {
    expect(parseExposition(text).map(({ labels }) => labels.outcome)).toEqual([
      'ok',
      'a\\b"c\n',
      'ok',
      undefined,
    ])
    expect(parseExposition(text).at(-1)).toEqual({ name: 'other_total', labels: {}, value: 7 })
  })

  it('is summed over services', () => {
    expect(writesCounted({ a: text, b: text }, 'written')).toBe(14)
    expect(writesCounted({ a: text, b: text }, 'failed_strict')).toBe(0)
  })
})

describe('traceTree', () => {
  const span = (spanId: string, parentSpanId: string, name: string, start: number, more = {}): OtlpSpan => ({
    traceId: 't',
    spanId,
    parentSpanId,
    name,
    kind: 1,
    startTimeUnixNano: `${start}000000`,
    endTimeUnixNano: `${start + 2}000000`,
    attributes: [],
    events: [],
    resource: [{ key: 'service.name', value: { stringValue: 'svc' } }],
    ...more,
  })

  it('draws children below their parents, in the order of their start', () => {
    const event = {
      name: 'secret.access',
      attributes: [{ key: 'secret_audit.outcome', value: { stringValue: 'ok' } }],
    }
    const attributes = [{ key: 'url.path', value: { stringValue: '/a?b=c' } }]
    const spans = [
      span('c', 'a', 'third', 9),
      span('b', 'a', 'second', 2, { events: [event] }),
      span('a', '', 'GET', 1, { kind: 2, attributes }),
    ]
    expect(traceTree(spans, plain)).toEqual([
      'GET /a  svc  server  2.0 ms',
      '├─ second  svc  internal  2.0 ms',
      '│    ◆ secret.access  outcome=ok',
      '└─ third  svc  internal  2.0 ms',
    ])
  })
})
