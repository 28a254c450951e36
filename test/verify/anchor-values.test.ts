import { beforeEach, describe, expect, test } from 'vitest'
import { rowLeaf } from '../../src/chain/block.js'
import { eventDigest } from '../../src/event/digest.js'
import { rekeyEvent } from '../../src/event/event.js'
import type { Verified } from './memory-trail.js'
import { AnchorScene, ALL, type Values, codes, line, listed, logs, span, traces } from './anchor-scene.js'

// What an anchor says is held against the trail, whatever became of its values on the way.

let scene: AnchorScene
beforeEach(() => {
  scene = new AnchorScene()
})

describe('a hash that is not one never holds', () => {
  const right = (): string => String(scene.saying()['secret_audit.block_hash'])
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
    const result = await scene.held(
      line(traces(span(scene.saying(2, { 'secret_audit.block_hash': hash() })))),
    )
    expect(codes(result)).toEqual(['anchor-mismatch'])
    expect(result.anchors).toEqual({ given: 1, held: 0, retired: 0, foreign: 0 })
  })

  test('also when it is there twice, and once right', async () => {
    const entry = {
      attributes: [...listed(scene.saying()), ...listed({ 'secret_audit.block_hash': '****' })],
    }
    expect((await scene.held(line(traces(entry)))).anchors.held).toBe(0)
  })

  test('in a whole file, with a block that was changed', async () => {
    scene.trail.blockAt(scene.writer.id, 3).blockTime += 1n
    const masked = scene.sayings().map((said) => span({ ...said, 'secret_audit.block_hash': '****' }))
    const result = await scene.held(line(traces(...masked)))
    expect(result.anchors).toEqual({ given: ALL, held: 0, retired: 0, foreign: 0 })
    expect(codes(result).filter((code) => code === 'anchor-mismatch')).toHaveLength(ALL)
  })

  test('and one that was never said does, as far as it goes: the block is there', async () => {
    const { 'secret_audit.block_hash': _, ...said } = scene.saying()
    expect((await scene.held(line(traces(span(said))))).anchors).toEqual({
      given: 1,
      held: 1,
      retired: 0,
      foreign: 0,
    })
  })
})

describe('a row that an anchor says', () => {
  const place = (index: unknown, block = 2): string =>
    `${String(scene.saying()['secret_audit.log'])}/${scene.writer.id}/${block}/${String(index)}`
  const strict = (other: Values = {}): Values => {
    const { auditId } = scene.trail.rowAt(scene.writer.id, 2, 1).event
    return { 'audit.record.id': String(auditId), 'secret_audit.place': place(1), ...other }
  }
  const result = (other: Values): Promise<Verified> =>
    scene.held(line(traces(span(strict(other), 'secret_audit get_credential'))))

  test('is held against the one that is there', async () => {
    const { found, anchors } = await result({})
    expect([found, anchors]).toEqual([[], { given: 1, held: 1, retired: 0, foreign: 0 }])
  })

  test.each<[string, () => Values]>([
    ['an index beyond the block', () => ({ 'secret_audit.place': place(3) })],
    ['an index far beyond it', () => ({ 'secret_audit.place': place(99_999) })],
    ['an index on genesis', () => ({ 'secret_audit.place': place(0, 0) })],
    ['a negative index', () => ({ 'secret_audit.place': place(-1) })],
    ['an index that is none', () => ({ 'secret_audit.place': place('x') })],
    ['an index with a fraction', () => ({ 'secret_audit.place': place('1.0') })],
    ['an index with a zero before it', () => ({ 'secret_audit.place': place('01') })],
    ['no index in its place', () => ({ 'secret_audit.place': place('') })],
    ['another row', () => ({ 'audit.record.id': '1' })],
    ['the id of its neighbour', () => ({ 'secret_audit.place': place(0) })],
    ['an id that is masked', () => ({ 'audit.record.id': '****' })],
    ['an id that is negative', () => ({ 'audit.record.id': '-1' })],
    ['an id with a zero before it', () => ({ 'audit.record.id': '01' })],
    ['an id of 2^63', () => ({ 'audit.record.id': String(2n ** 63n) })],
    ['an id that is null', () => ({ 'audit.record.id': null })],
  ])('%s', async (_, other) => {
    const { found, anchors } = await result(other())
    expect(found).toMatchObject([{ code: 'anchor-mismatch', chain: scene.writer.id }])
    expect(anchors).toEqual({ given: 1, held: 0, retired: 0, foreign: 0 })
  })

  test.each<[string, (whole: string) => unknown]>([
    ['masked', () => '****'],
    ['without its index', (whole) => whole.replace(/\/1$/, '')],
    ['with a chain in capitals', (whole) => whole.replace(scene.writer.id, 'A'.repeat(32))],
    ['with a negative block', (whole) => whole.replace('/2/', '/-2/')],
    ['in an array', (whole) => ({ arrayValue: { values: [{ stringValue: whole }] } })],
    ['null', () => null],
  ])('whose place is %s cannot be read', async (_, changed) => {
    const bad = span(strict({ 'secret_audit.place': changed(place(1)) }))
    const { found, anchors, unread } = await scene.held(line(traces(span(scene.saying(3)), bad)))
    expect([found, anchors]).toEqual([[], { given: 1, held: 1, retired: 0, foreign: 0 }])
    expect(unread).toMatchObject({ count: 1, first: [{ problem: 'secret_audit.place cannot be read' }] })
  })

  test('of which two places are said does not hold', async () => {
    const entry = { attributes: [...listed(strict()), ...listed({ 'secret_audit.place': place(0) })] }
    const { found, anchors } = await scene.held(line(traces(entry)))
    expect([codes({ found } as Verified), anchors.held]).toEqual([['anchor-mismatch'], 0])
  })

  test('names the row that is there instead', async () => {
    const { auditId } = scene.trail.rowAt(scene.writer.id, 2, 1).event
    const { found } = await result({ 'audit.record.id': '1' })
    expect(found).toMatchObject([{ code: 'anchor-mismatch', block: 2, auditId }])
  })

  test('may have got another id since: the span has the first', async () => {
    const row = scene.trail.rowAt(scene.writer.id, 2, 1)
    const first = row.event.auditId
    row.event = { ...rekeyEvent(row.event), auditId: first + 1n, originalAuditId: first }
    row.digest = eventDigest(row.event)
    expect(rowLeaf(scene.writer.id, 2, 1, row.digest)).toHaveLength(32)
    expect(codes(await result({ 'audit.record.id': String(first) }))).not.toContain('anchor-mismatch')
    expect(codes(await result({ 'audit.record.id': String(first + 1n) }))).not.toContain('anchor-mismatch')
    expect(codes(await result({ 'audit.record.id': String(first + 2n) }))).toContain('anchor-mismatch')
  })

  test('of every strict span, all wrong', async () => {
    const spans = [0, 1, 2].map((index) =>
      span(strict({ 'secret_audit.place': place(index), 'audit.record.id': '1' }), 'x'),
    )
    expect((await scene.held(line(traces(...spans)))).anchors).toEqual({
      given: 1,
      held: 0,
      retired: 0,
      foreign: 0,
    })
  })
})

describe('an anchor that contradicts itself does not hold', () => {
  const other = '0'.repeat(64)
  test.each<[string, () => object]>([
    [
      'its hash and its note',
      () => span(scene.saying(2, { 'secret_audit.note': scene.noteOf(2), 'secret_audit.block_hash': other })),
    ],
    ['its number and its note', () => span(scene.saying(3, { 'secret_audit.note': scene.noteOf(2) }))],
    [
      'its number alone and its note',
      () => span(scene.saying(2, { 'secret_audit.note': scene.noteOf(2), 'secret_audit.block': 1 })),
    ],
    [
      'its chain and its note',
      () =>
        span(scene.saying(2, { 'secret_audit.note': scene.noteOf(2), 'secret_audit.chain': '0'.repeat(32) })),
    ],
    [
      'its log and its note',
      () =>
        span(
          scene.saying(2, { 'secret_audit.note': scene.noteOf(2), 'secret_audit.log': 'otel-audit/other' }),
        ),
    ],
    [
      'its hash alone and its note',
      () => span({ 'secret_audit.note': scene.noteOf(2), 'secret_audit.block_hash': other }),
    ],
    [
      'its body and its note',
      () => ({
        body: { stringValue: scene.noteOf(3) },
        attributes: listed({ 'secret_audit.note': scene.noteOf(2) }),
      }),
    ],
    ['its body and its hash', () => ({ ...span(scene.saying(2)), body: { stringValue: scene.noteOf(3) } })],
    [
      'two notes',
      () => ({ attributes: [2, 3].flatMap((n) => listed({ 'secret_audit.note': scene.noteOf(n) })) }),
    ],
  ])('%s', async (_, entry) => {
    const result = await scene.held(line(traces(entry()), logs()))
    expect(codes(result)).toContain('anchor-mismatch')
    expect(result.anchors.held).toBe(0)
  })
})

test('a block that is there and is none is not missing', async () => {
  scene.trail.blockAt(scene.writer.id, 2).kind = 'bogus'
  expect(codes(await scene.held(line(traces(span(scene.saying(2))))))).toEqual([
    'block-malformed',
    'anchor-mismatch',
  ])
})
