import { beforeEach, describe, expect, test } from 'vitest'
import { LOG } from './memory-trail.js'
import { AnchorScene, ALL, line, listed, logs, span, traces, wrapped } from './anchor-scene.js'

// Anchors as collectors and backends write them, and what becomes of those that cannot be read.

let scene: AnchorScene
beforeEach(() => {
  scene = new AnchorScene()
})

describe('an anchor is found by its attributes', () => {
  test.each(['', 'audit', 'db.commit', 'secret_audit', 'SECRET_AUDIT COMMIT', 'GET /'])(
    'whatever a processor called the span: %j',
    async (name) => {
      const spans = scene.sayings().map((said) => span(said, name))
      expect((await scene.held(line(traces(...spans)))).anchors.held).toBe(ALL)
    },
  )

  test('without a name, with attributes in any order, between others, added by several processors', async () => {
    const spans = scene.sayings().map((said) => ({
      attributes: [
        { key: 'deployment.environment', value: { stringValue: 'prod' } },
        ...listed(said).toReversed(),
        { key: 'processed_by', value: { arrayValue: { values: [] } } },
        null,
        {},
      ],
    }))
    expect((await scene.held(line(traces(...spans)))).anchors.held).toBe(ALL)
  })

  test.each(['renamed.event', '', undefined])('on a span, as an event called %j', async (name) => {
    const event = { name, attributes: listed({ 'secret_audit.note': scene.noteOf(2) }) }
    expect((await scene.held(line(traces({ name: 'x', events: [event] })))).anchors.held).toBe(1)
  })

  test('in a log record: the attribute, the body, or both', async () => {
    const [body, attributes] = [
      { stringValue: scene.noteOf(2) },
      listed({ 'secret_audit.note': scene.noteOf(2) }),
    ]
    for (const record of [
      { body, attributes },
      { body },
      { attributes },
      { body: { stringValue: '*' }, attributes },
    ]) {
      expect((await scene.held(line(logs(record)))).anchors).toEqual({
        given: 1,
        held: 1,
        retired: 0,
        foreign: 0,
      })
    }
  })
})

describe('every form is read', () => {
  const spans = (): object[] => scene.sayings().map((said) => span(said))
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
        spans: scene.sayings().map((said) => ({
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
    ['attributes as an object', () => line(traces(...scene.sayings().map((attributes) => ({ attributes }))))],
    [
      'attributes as an object of values',
      () =>
        line(
          traces(
            ...scene.sayings().map((said) => ({
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
            ...scene.sayings().map((said) => ({
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
    ['signed notes', () => scene.writer.sent.map(({ note }) => note).join('')],
    ['signed notes with blank lines between', () => scene.writer.sent.map(({ note }) => note).join('\n\n')],
    ['signed notes, and a BOM', () => `\uFEFF${scene.writer.sent.map(({ note }) => note).join('')}`],
    [
      'notes in logs',
      () => line(...scene.writer.sent.map(({ note }) => logs({ body: { stringValue: note } }))),
    ],
    [
      'notes in logs, in snake_case',
      () =>
        line(...scene.writer.sent.map(({ note }) => snake(logs({ body: { stringValue: note } })) as object)),
    ],
    [
      'notes and requests in turn',
      () =>
        scene.writer.sent
          .map(({ note }, i) => (i % 2 === 0 ? note : line(traces(span(scene.saying(i))))))
          .join('\n'),
    ],
  ])('%s', async (_, text) => {
    const { found, anchors, unread } = await scene.held(text(), LOG)
    expect([found, anchors, unread.count]).toEqual([[], { given: ALL, held: ALL, retired: 0, foreign: 0 }, 0])
  })
})

describe('what cannot be read is said, and the rest is used', () => {
  const good = (): string => line(...scene.sayings().map((said) => traces(span(said))))
  const cut = '{"resourceSpans":[{"sc'

  test.each<[string, () => string, number]>([
    ['a cut line at the end', () => `${good()}\n${cut}`, 5],
    ['a cut line at the beginning', () => `${cut}\n${good()}`, 1],
    ['a cut line in the middle', () => good().replace('\n', `\n${cut}\n`), 2],
    [
      'a line that was cut and goes on with the next',
      () => `${cut}${line(traces(span(scene.saying())))}\n${good()}`,
      1,
    ],
    ['text', () => `hello\n${good()}`, 1],
    ['a number', () => `7\n${good()}`, 1],
    ['a JSON string', () => `"hello"\n${good()}`, 1],
    ['pretty-printed JSON that was cut', () => `{\n  "resourceSpans": [\n${good()}`, 1],
    ['a note that was cut', () => `${good()}\n${scene.noteOf(1).slice(0, 120)}`, 5],
    ['a note that was cut, before another', () => `${scene.noteOf(1).slice(0, 120)}\n${good()}`, 1],
    [
      'a note that was changed into none',
      () => `${scene.noteOf(1).replace('kind data', 'kind x')}${good()}`,
      1,
    ],
    ['text after a note', () => `${scene.noteOf(1)}hello\n${good()}`, 14],
    [
      'a chain in capitals',
      () =>
        `${line(traces(span(scene.saying(2, { 'secret_audit.chain': scene.writer.id.toUpperCase().replace(/^\d+/, 'A') }))))}\n${good()}`,
      1,
    ],
    [
      'a chain with dashes',
      () =>
        `${line(traces(span(scene.saying(2, { 'secret_audit.chain': scene.writer.id.replace(/^(.{8})/, '$1-') }))))}\n${good()}`,
      1,
    ],
    [
      'a masked chain',
      () => `${line(traces(span(scene.saying(2, { 'secret_audit.chain': '****' }))))}\n${good()}`,
      1,
    ],
    [
      'a negative number',
      () => `${line(traces(span(scene.saying(2, { 'secret_audit.block': -1 }))))}\n${good()}`,
      1,
    ],
    [
      'a double',
      () => `${line(traces(span(scene.saying(2, { 'secret_audit.block': { doubleValue: 2 } }))))}\n${good()}`,
      1,
    ],
    [
      'a fraction',
      () => `${line(traces(span(scene.saying(2, { 'secret_audit.block': { intValue: 2.5 } }))))}\n${good()}`,
      1,
    ],
    [
      'a number of 2^53',
      () => `${line(traces(span(scene.saying(2, { 'secret_audit.block': 2 ** 53 }))))}\n${good()}`,
      1,
    ],
    [
      'a number with a zero before it',
      () => `${line(traces(span(scene.saying(2, { 'secret_audit.block': '02' }))))}\n${good()}`,
      1,
    ],
    [
      'no number',
      () => `${line(traces(span(scene.saying(2, { 'secret_audit.block': null }))))}\n${good()}`,
      1,
    ],
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
    const { found, anchors, unread } = await scene.held(text())
    expect([found, anchors.held]).toEqual([[], ALL])
    expect(unread.count).toBeGreaterThanOrEqual(1)
    expect(unread.first[0]?.line).toBe(at)
    for (const { problem } of unread.first) expect(problem).not.toContain('hello')
  })

  test('all lines are counted', async () => {
    const { lines } = await scene.held(
      `${good()}\nhello\n{}\n${line(traces({ name: 'GET /' }))}\n\n${scene.noteOf(1)}`,
    )
    expect(lines).toEqual({ withAnchors: ALL + 1, without: 2, unreadable: 1 })
  })

  test('of another log than the trust file names it is not ours', async () => {
    const foreign = span({
      'secret_audit.log': 'otel-audit/other',
      'secret_audit.chain': 'x',
      'secret_audit.block': 'y',
    })
    const text = `${line(traces(foreign))}\n${good()}`
    expect((await scene.held(text)).unread.count).toBe(1)
    expect((await scene.held(text, LOG)).unread).toEqual({ count: 0, first: [] })
    // What no log is called says nothing.
    expect((await scene.held(text.replace('otel-audit/other', 'a b'), LOG)).unread.count).toBe(1)
  })

  test('many of them: some are shown, all are counted', async () => {
    const { unread } = await scene.held(`${'hello\n'.repeat(5000)}${good()}`)
    expect(unread.count).toBe(5000)
    expect(unread.first.length).toBeLessThan(100)
  })

  test('nested deeply: neither the stack nor the rest suffers', async () => {
    const { anchors } = await scene.held(`${'['.repeat(5000)}${']'.repeat(5000)}\n${good()}`)
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
    await expect(scene.held(text)).rejects.toMatchObject({ code: 'AUDIT_EVIDENCE_MALFORMED' })
  })
})
