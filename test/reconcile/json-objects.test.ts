import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { JsonObjects, LONGEST_OBJECT } from '../../src/reconcile/json-objects.js'

function objectsIn(text: string | Buffer, chunkBytes = 1 << 20): { found: string[]; malformed: number } {
  const bytes = Buffer.from(text)
  const objects = new JsonObjects()
  const found: string[] = []
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    for (const object of objects.take(bytes.subarray(at, at + chunkBytes))) found.push(object.toString())
  }
  for (const object of objects.end()) found.push(object.toString())
  return { found, malformed: objects.malformed }
}

const anEvent = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 3 }))
const indents = fc.constantFrom(undefined, 1, 4)

describe('objects in JSON', () => {
  it.each([
    [
      'the records of a file',
      (events: object[], indent?: number) => JSON.stringify({ Records: events }, undefined, indent),
    ],
    [
      'the events of a look-up, with what follows them',
      (events: object[], indent?: number) =>
        JSON.stringify({ Events: events, NextToken: '{"}]' }, undefined, indent),
    ],
    ['an array', (events: object[], indent?: number) => JSON.stringify(events, undefined, indent)],
    [
      'one after the other',
      (events: object[], indent?: number) =>
        events.map((event) => JSON.stringify(event, undefined, indent)).join('\n'),
    ],
    [
      'files that were put together',
      (events: object[], indent?: number) =>
        events.map((event) => JSON.stringify({ Records: [event] }, undefined, indent)).join('\n'),
    ],
  ])('are found in %s, however its bytes come', (_, written) => {
    fc.assert(
      fc.property(
        fc.array(anEvent),
        indents,
        fc.integer({ min: 1, max: 40 }),
        (events, indent, chunkBytes) => {
          const { found, malformed } = objectsIn(written(events, indent), chunkBytes)
          expect(found.map((text) => JSON.parse(text) as unknown)).toEqual(JSON.parse(JSON.stringify(events)))
          expect(malformed).toBe(0)
        },
      ),
    )
  })

  it('that are cut off are counted, and those before it are found', () => {
    expect(objectsIn('{"Records":[{"a":1},{"b":')).toEqual({ found: ['{"a":1}'], malformed: 1 })
    expect(objectsIn('{"Records":')).toEqual({ found: [], malformed: 1 })
  })

  it('are found behind a line that is not JSON, which is counted', () => {
    expect(objectsIn('not "JSON {\n{"a":1}\n')).toEqual({ found: ['{"a":1}'], malformed: 1 })
  })

  it('that are too long are counted and not held', () => {
    const long = `{"a":"${'x'.repeat(LONGEST_OBJECT)}"}`
    expect(objectsIn(`{"Records":[${long},{"b":1}]}`)).toEqual({ found: ['{"b":1}'], malformed: 1 })
  })
})
