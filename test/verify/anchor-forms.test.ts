import { beforeEach, describe, expect, test } from 'vitest'
import { readAnchors } from '../../src/verify/anchor-file.js'
import { Anchors } from '../../src/verify/anchors.js'
import { rekeyEvent } from '../../src/event/event.js'
import { eventDigest } from '../../src/event/digest.js'
import { rowLeaf } from '../../src/chain/block.js'
import { LOG, MemoryTrail, MemoryWriter, type Verified, verified } from './memory-trail.js'

// Anchors as collectors and backends write them, and what becomes of those that cannot be read.

let trail: MemoryTrail
let writer: MemoryWriter

beforeEach(() => {
  trail = new MemoryTrail()
  writer = new MemoryWriter(trail)
  for (const size of [2, 3, 1]) writer.write(size)
})

type Values = Readonly<Record<string, unknown>>

const wrapped = (value: unknown): unknown =>
  typeof value === 'string'
    ? { stringValue: value }
    : typeof value === 'number'
      ? { intValue: String(value) }
      : value
const listed = (values: Values): object[] =>
  Object.entries(values).map(([key, value]) => ({ key, value: wrapped(value) }))
const traces = (...spans: object[]): object => ({ resourceSpans: [{ scopeSpans: [{ spans }] }] })
const logs = (...logRecords: object[]): object => ({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] })
const span = (values: Values, name = 'secret_audit commit'): object => ({ name, attributes: listed(values) })

/** What the span of each block says. */
const sayings = (): Values[] =>
  writer.sent.map(({ block, hash }) => ({
    'secret_audit.log': block.log,
    'secret_audit.chain': block.chain,
    'secret_audit.block': block.number,
    'secret_audit.block_hash': hash.toString('hex'),
  }))
const saying = (block = 2, other: Values = {}): Values => ({ ...sayings()[block], ...other })
const noteOf = (block: number): string => writer.sent[block]?.note ?? ''

async function held(text: string, origin?: string): Promise<Verified & { readonly lines: object }> {
  const anchors = new Anchors()
  const lines = await readAnchors(text.split(/\r?\n/), anchors)
  return { ...(await verified(trail, { origin }, {}, anchors)), lines }
}

const line = (...values: object[]): string => values.map((value) => JSON.stringify(value)).join('\n')
const codes = ({ found }: Verified): string[] => found.map(({ code }) => code)
const ALL = 4

describe('a hash that is not one never holds', () => {
  const right = (): string => String(saying()['secret_audit.block_hash'])
  test.each<[string, () => unknown]>([
    ['masked', () => '****'],
    ['empty', () => ''],
    ['in capitals', () => right().toUpperCase()],
    ['in base64', () => Buffer.from(right(), 'hex').toString('base64')],
    ['in base64url', () => Buffer.from(right(), 'hex').toString('base64url')],
    ['cut short', () => right().slice(0, -1)],
    ['too long', () => `${right()}0`],
    ['with 0x', () => `0x${right()}`],
    ['with a space', () => ` ${right()}`],
    ['with a newline', () => `${right()}\n`],
    ['hashed once more', () => `sha256:${right()}`],
    ['a number', () => 7],
    ['a double', () => ({ doubleValue: 7.5 })],
    ['a truth', () => ({ boolValue: true })],
    ['bytes', () => ({ bytesValue: Buffer.from(right(), 'hex').toString('base64') })],
    ['an array', () => ({ arrayValue: { values: [{ stringValue: right() }] } })],
    ['an array with nothing around it', () => [right()]],
    ['null', () => null],
    ['an empty value', () => ({})],
    ['no value', () => undefined],
  ])('%s', async (_, hash) => {
    const result = await held(line(traces(span(saying(2, { 'secret_audit.block_hash': hash() })))))
    expect(codes(result)).toEqual(['anchor-mismatch'])
    expect(result.anchors).toEqual({ given: 1, held: 0, foreign: 0 })
  })

  test('also when it is there twice, and once right', async () => {
    const entry = { attributes: [...listed(saying()), ...listed({ 'secret_audit.block_hash': '****' })] }
    expect((await held(line(traces(entry)))).anchors.held).toBe(0)
  })

  test('in a whole file, with a block that was changed', async () => {
    trail.blockAt(writer.id, 3).blockTime += 1n
    const masked = sayings().map((said) => span({ ...said, 'secret_audit.block_hash': '****' }))
    const result = await held(line(traces(...masked)))
    expect(result.anchors).toEqual({ given: ALL, held: 0, foreign: 0 })
    expect(codes(result).filter((code) => code === 'anchor-mismatch')).toHaveLength(ALL)
  })

  test('and one that was never said does, as far as it goes: the block is there', async () => {
    const { 'secret_audit.block_hash': _, ...said } = saying()
    expect((await held(line(traces(span(said))))).anchors).toEqual({ given: 1, held: 1, foreign: 0 })
  })
})

describe('a row that an anchor says', () => {
  const strict = (other: Values = {}): Values => {
    const { 'secret_audit.block_hash': _, ...said } = saying()
    const { auditId } = trail.rowAt(writer.id, 2, 1).event
    return { ...said, 'audit.record.id': String(auditId), 'secret_audit.index': 1, ...other }
  }
  const result = (other: Values): Promise<Verified> =>
    held(line(traces(span(strict(other), 'secret_audit get_credential'))))

  test('is held against the one that is there', async () => {
    const { found, anchors } = await result({})
    expect([found, anchors]).toEqual([[], { given: 1, held: 1, foreign: 0 }])
  })

  test.each<[string, Values]>([
    ['an index beyond the block', { 'secret_audit.index': 3 }],
    ['an index far beyond it', { 'secret_audit.index': 99_999 }],
    ['an index on genesis', { 'secret_audit.block': 0, 'secret_audit.index': 0 }],
    ['a negative index', { 'secret_audit.index': -1 }],
    ['an index that is none', { 'secret_audit.index': 'x' }],
    ['an index with a fraction', { 'secret_audit.index': { doubleValue: 1 } }],
    ['no index in its attribute', { 'secret_audit.index': null }],
    ['another row', { 'audit.record.id': '1' }],
    ['the id of its neighbour', { 'secret_audit.index': 0 }],
    ['an id that is masked', { 'audit.record.id': '****' }],
    ['an id that is negative', { 'audit.record.id': '-1' }],
    ['an id with a zero before it', { 'audit.record.id': '01' }],
    ['an id of 2^63', { 'audit.record.id': String(2n ** 63n) }],
    ['an id that is null', { 'audit.record.id': null }],
  ])('%s', async (_, other) => {
    const { found, anchors } = await result(other)
    expect(found).toMatchObject([{ code: 'anchor-mismatch', chain: writer.id }])
    expect(anchors).toEqual({ given: 1, held: 0, foreign: 0 })
  })

  test('names the row that is there instead', async () => {
    const { auditId } = trail.rowAt(writer.id, 2, 1).event
    const { found } = await result({ 'audit.record.id': '1' })
    expect(found).toMatchObject([{ code: 'anchor-mismatch', block: 2, auditId }])
  })

  test('may have got another id since: the span has the first', async () => {
    const row = trail.rowAt(writer.id, 2, 1)
    const first = row.event.auditId
    row.event = { ...rekeyEvent(row.event), auditId: first + 1n, originalAuditId: first }
    row.digest = eventDigest(row.event)
    expect(rowLeaf(writer.id, 2, 1, row.digest)).toHaveLength(32)
    expect(codes(await result({ 'audit.record.id': String(first) }))).not.toContain('anchor-mismatch')
    expect(codes(await result({ 'audit.record.id': String(first + 1n) }))).not.toContain('anchor-mismatch')
    expect(codes(await result({ 'audit.record.id': String(first + 2n) }))).toContain('anchor-mismatch')
  })

  test('of every strict span, all wrong', async () => {
    const spans = [0, 1, 2].map((index) =>
      span(strict({ 'secret_audit.index': index, 'audit.record.id': '1' }), 'x'),
    )
    expect((await held(line(traces(...spans)))).anchors).toEqual({ given: 1, held: 0, foreign: 0 })
  })
})

describe('an anchor is found by its attributes', () => {
  test.each(['', 'audit', 'db.commit', 'secret_audit', 'SECRET_AUDIT COMMIT', 'GET /'])(
    'whatever a processor called the span: %j',
    async (name) => {
      const spans = sayings().map((said) => span(said, name))
      expect((await held(line(traces(...spans)))).anchors.held).toBe(ALL)
    },
  )

  test('without a name, with attributes in any order, between others, added by several processors', async () => {
    const spans = sayings().map((said) => ({
      attributes: [
        { key: 'deployment.environment', value: { stringValue: 'prod' } },
        ...listed(said).toReversed(),
        { key: 'processed_by', value: { arrayValue: { values: [] } } },
        null,
        {},
      ],
    }))
    expect((await held(line(traces(...spans)))).anchors.held).toBe(ALL)
  })

  test.each(['renamed.event', '', undefined])('on a span, as an event called %j', async (name) => {
    const event = { name, attributes: listed({ 'secret_audit.note': noteOf(2) }) }
    expect((await held(line(traces({ name: 'x', events: [event] })))).anchors.held).toBe(1)
  })

  test('in a log record: the attribute, the body, or both', async () => {
    const [body, attributes] = [{ stringValue: noteOf(2) }, listed({ 'secret_audit.note': noteOf(2) })]
    for (const record of [
      { body, attributes },
      { body },
      { attributes },
      { body: { stringValue: '*' }, attributes },
    ]) {
      expect((await held(line(logs(record)))).anchors).toEqual({ given: 1, held: 1, foreign: 0 })
    }
  })
})

describe('an anchor that contradicts itself does not hold', () => {
  const other = '0'.repeat(64)
  test.each<[string, () => object]>([
    [
      'its hash and its note',
      () => span(saying(2, { 'secret_audit.note': noteOf(2), 'secret_audit.block_hash': other })),
    ],
    ['its number and its note', () => span(saying(3, { 'secret_audit.note': noteOf(2) }))],
    [
      'its number alone and its note',
      () => span(saying(2, { 'secret_audit.note': noteOf(2), 'secret_audit.block': 1 })),
    ],
    [
      'its chain and its note',
      () => span(saying(2, { 'secret_audit.note': noteOf(2), 'secret_audit.chain': '0'.repeat(32) })),
    ],
    [
      'its log and its note',
      () => span(saying(2, { 'secret_audit.note': noteOf(2), 'secret_audit.log': 'otel-audit/other' })),
    ],
    [
      'its hash alone and its note',
      () => span({ 'secret_audit.note': noteOf(2), 'secret_audit.block_hash': other }),
    ],
    [
      'its body and its note',
      () => ({ body: { stringValue: noteOf(3) }, attributes: listed({ 'secret_audit.note': noteOf(2) }) }),
    ],
    ['its body and its hash', () => ({ ...span(saying(2)), body: { stringValue: noteOf(3) } })],
    ['two notes', () => ({ attributes: [2, 3].flatMap((n) => listed({ 'secret_audit.note': noteOf(n) })) })],
  ])('%s', async (_, entry) => {
    const result = await held(line(traces(entry()), logs()))
    expect(codes(result)).toContain('anchor-mismatch')
    expect(result.anchors.held).toBe(0)
  })
})

describe('every form is read', () => {
  const spans = (): object[] => sayings().map((said) => span(said))
  const snake = (value: unknown): unknown =>
    JSON.parse(
      JSON.stringify(value).replace(
        /"(\w+)":/g,
        (_, key: string) => `"${key.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)}":`,
      ),
    )
  const asNumbers = (value: object): object =>
    JSON.parse(JSON.stringify(value).replace(/"intValue":"(\d+)"/g, '"intValue":$1')) as object
  const jaeger = (): object => ({
    data: [
      {
        traceID: 'x',
        spans: sayings().map((said) => ({
          operationName: 'secret_audit commit',
          tags: Object.entries(said).map(([key, value]) => ({
            key,
            type: typeof value === 'number' ? 'int64' : 'string',
            value,
          })),
        })),
      },
    ],
  })

  test.each<[string, () => string]>([
    ['one request a line', () => line(...spans().map((one) => traces(one)))],
    ['one request', () => line(traces(...spans()))],
    ['with CRLF', () => `${line(...spans().map((one) => traces(one))).replaceAll('\n', '\r\n')}\r\n`],
    ['with a BOM', () => `\uFEFF${line(traces(...spans()))}`],
    ['integers as numbers', () => line(asNumbers(traces(...spans())))],
    ['snake_case', () => line(snake(traces(...spans())) as object)],
    ['an array of requests', () => line(spans().map((one) => traces(one)))],
    ['an array of spans', () => line(spans())],
    ['spans alone', () => line(...spans())],
    ['resource spans alone', () => line({ scopeSpans: [{ spans: spans() }] })],
    [
      'instrumentationLibrarySpans',
      () => line({ resourceSpans: [{ instrumentationLibrarySpans: [{ spans: spans() }] }] }),
    ],
    ['Tempo: batches', () => line({ batches: [{ scopeSpans: [{ spans: spans() }] }] })],
    ['Tempo v2: trace', () => line({ trace: traces(...spans()) })],
    ['Jaeger', () => line(jaeger())],
    ['attributes as an object', () => line(traces(...sayings().map((attributes) => ({ attributes }))))],
    [
      'attributes as an object of values',
      () =>
        line(
          traces(
            ...sayings().map((said) => ({
              attributes: Object.fromEntries(
                Object.entries(said).map(([key, value]) => [key, wrapped(value)]),
              ),
            })),
          ),
        ),
    ],
    [
      'the protobuf of Go',
      () =>
        line(
          traces(
            ...sayings().map((said) => ({
              attributes: Object.entries(said).map(([key, value]) => ({
                key,
                value: { Value: typeof value === 'number' ? { IntValue: value } : { StringValue: value } },
              })),
            })),
          ),
        ),
    ],
    ['pretty-printed', () => JSON.stringify(traces(...spans()), undefined, 2)],
    [
      'pretty-printed, several',
      () =>
        spans()
          .map((one) => JSON.stringify(traces(one), undefined, '\t'))
          .join('\n'),
    ],
    [
      'a pretty-printed array',
      () =>
        JSON.stringify(
          spans().map((one) => traces(one)),
          undefined,
          4,
        ),
    ],
    [
      'several requests on a line',
      () =>
        spans()
          .map((one) => JSON.stringify(traces(one)))
          .join(''),
    ],
    [
      'several, with spaces between',
      () =>
        spans()
          .map((one) => JSON.stringify(traces(one)))
          .join(' '),
    ],
    ['signed notes', () => writer.sent.map(({ note }) => note).join('')],
    ['signed notes with blank lines between', () => writer.sent.map(({ note }) => note).join('\n\n')],
    ['signed notes, and a BOM', () => `\uFEFF${writer.sent.map(({ note }) => note).join('')}`],
    ['notes in logs', () => line(...writer.sent.map(({ note }) => logs({ body: { stringValue: note } })))],
    [
      'notes in logs, in snake_case',
      () => line(...writer.sent.map(({ note }) => snake(logs({ body: { stringValue: note } })) as object)),
    ],
    [
      'notes and requests in turn',
      () => writer.sent.map(({ note }, i) => (i % 2 === 0 ? note : line(traces(span(saying(i)))))).join('\n'),
    ],
  ])('%s', async (_, text) => {
    const { found, anchors, unread } = await held(text(), LOG)
    expect([found, anchors, unread.count]).toEqual([[], { given: ALL, held: ALL, foreign: 0 }, 0])
  })
})

describe('what cannot be read is said, and the rest is used', () => {
  const good = (): string => line(...sayings().map((said) => traces(span(said))))
  const cut = '{"resourceSpans":[{"sc'

  test.each<[string, () => string, number]>([
    ['a cut line at the end', () => `${good()}\n${cut}`, 5],
    ['a cut line at the beginning', () => `${cut}\n${good()}`, 1],
    ['a cut line in the middle', () => good().replace('\n', `\n${cut}\n`), 2],
    [
      'a line that was cut and goes on with the next',
      () => `${cut}${line(traces(span(saying())))}\n${good()}`,
      1,
    ],
    ['text', () => `hello\n${good()}`, 1],
    ['a number', () => `7\n${good()}`, 1],
    ['a JSON string', () => `"hello"\n${good()}`, 1],
    ['pretty-printed JSON that was cut', () => `{\n  "resourceSpans": [\n${good()}`, 1],
    ['a note that was cut', () => `${good()}\n${noteOf(1).slice(0, 120)}`, 5],
    ['a note that was cut, before another', () => `${noteOf(1).slice(0, 120)}\n${good()}`, 1],
    ['a note that was changed into none', () => `${noteOf(1).replace('kind data', 'kind x')}${good()}`, 1],
    ['text after a note', () => `${noteOf(1)}hello\n${good()}`, 14],
    [
      'a chain in capitals',
      () =>
        `${line(traces(span(saying(2, { 'secret_audit.chain': writer.id.toUpperCase().replace(/^\d+/, 'A') }))))}\n${good()}`,
      1,
    ],
    [
      'a chain with dashes',
      () =>
        `${line(traces(span(saying(2, { 'secret_audit.chain': writer.id.replace(/^(.{8})/, '$1-') }))))}\n${good()}`,
      1,
    ],
    [
      'a masked chain',
      () => `${line(traces(span(saying(2, { 'secret_audit.chain': '****' }))))}\n${good()}`,
      1,
    ],
    [
      'a negative number',
      () => `${line(traces(span(saying(2, { 'secret_audit.block': -1 }))))}\n${good()}`,
      1,
    ],
    [
      'a double',
      () => `${line(traces(span(saying(2, { 'secret_audit.block': { doubleValue: 2 } }))))}\n${good()}`,
      1,
    ],
    [
      'a fraction',
      () => `${line(traces(span(saying(2, { 'secret_audit.block': { intValue: 2.5 } }))))}\n${good()}`,
      1,
    ],
    [
      'a number of 2^53',
      () => `${line(traces(span(saying(2, { 'secret_audit.block': 2 ** 53 }))))}\n${good()}`,
      1,
    ],
    [
      'a number with a zero before it',
      () => `${line(traces(span(saying(2, { 'secret_audit.block': '02' }))))}\n${good()}`,
      1,
    ],
    ['no number', () => `${line(traces(span(saying(2, { 'secret_audit.block': null }))))}\n${good()}`, 1],
    [
      'a note that is none',
      () => `${line(logs({ attributes: listed({ 'secret_audit.note': 'x' }) }))}\n${good()}`,
      1,
    ],
    [
      'a note that is masked',
      () => `${line(logs({ attributes: listed({ 'secret_audit.note': null }) }))}\n${good()}`,
      1,
    ],
    [
      'an anchor that says nothing',
      () => `${line(logs({ eventName: 'secret_audit.anchor' }))}\n${good()}`,
      1,
    ],
  ])('%s', async (_, text, at) => {
    const { found, anchors, unread } = await held(text())
    expect([found, anchors.held]).toEqual([[], ALL])
    expect(unread.count).toBeGreaterThanOrEqual(1)
    expect(unread.first[0]?.line).toBe(at)
    for (const { problem } of unread.first) expect(problem).not.toContain('hello')
  })

  test('all lines are counted', async () => {
    const { lines } = await held(`${good()}\nhello\n{}\n${line(traces({ name: 'GET /' }))}\n\n${noteOf(1)}`)
    expect(lines).toEqual({ withAnchors: ALL + 1, without: 2, unreadable: 1 })
  })

  test('of another log than the trust file names it is not ours', async () => {
    const foreign = span({
      'secret_audit.log': 'otel-audit/other',
      'secret_audit.chain': 'x',
      'secret_audit.block': 'y',
    })
    const text = `${line(traces(foreign))}\n${good()}`
    expect((await held(text)).unread.count).toBe(1)
    expect((await held(text, LOG)).unread).toEqual({ count: 0, first: [] })
    // What no log is called says nothing.
    expect((await held(text.replace('otel-audit/other', 'a b'), LOG)).unread.count).toBe(1)
  })

  test('many of them: some are shown, all are counted', async () => {
    const { unread } = await held(`${'hello\n'.repeat(5000)}${good()}`)
    expect(unread.count).toBe(5000)
    expect(unread.first.length).toBeLessThan(100)
  })

  test('nested deeply: neither the stack nor the rest suffers', async () => {
    const { anchors } = await held(`${'['.repeat(5000)}${']'.repeat(5000)}\n${good()}`)
    expect(anchors.held).toBe(ALL)
  })
})

describe('a file without an anchor is an error', () => {
  test.each<[string, string]>([
    ['empty', ''],
    ['blank', '\n\n'],
    ['an empty object', '{}'],
    ['an empty array', '[]'],
    ['metrics', '{"resourceMetrics":[]}'],
    ['spans of others', JSON.stringify(traces({ name: 'GET /', attributes: [] }))],
    ['a trust file', 'origin otel-audit/wallet\nunsigned none'],
    ['compressed', '\u001f\ufffd\b\0'],
    ['CSV', 'a,b\n1,2'],
  ])('%s', async (_, text) => {
    await expect(held(text)).rejects.toMatchObject({ code: 'AUDIT_EVIDENCE_MALFORMED' })
  })
})

test('a block that is there and is none is not missing', async () => {
  trail.blockAt(writer.id, 2).kind = 'bogus'
  expect(codes(await held(line(traces(span(saying(2))))))).toEqual(['block-malformed', 'anchor-mismatch'])
})
