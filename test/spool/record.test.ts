import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeEvent } from '../../src/event/decode.js'
import { encodeEvent, eventDigest } from '../../src/event/digest.js'
import { type AuditEvent, buildEvent } from '../../src/event/event.js'
import { TEXT_LIMITS } from '../../src/event/fields.js'
import { findRecord, openRecord, recordLength, sealRecords } from '../../src/spool/record.js'
import { anyEvent } from '../event/arbitrary-event.js'

const sealed = (event: AuditEvent): Buffer => Buffer.from(sealRecords([encodeEvent(event)])[0] ?? [])

describe('an entry of the spool', () => {
  test('is what the documentation says, byte by byte', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const bytes = encodeEvent(event)
        const length = Buffer.alloc(4)
        length.writeUInt32BE(bytes.length)
        const digest = createHash('sha256').update(bytes).digest()
        const expected = Buffer.concat([Buffer.from('otel-audit/spool/v2\0'), length, digest, bytes])
        expect(sealed(event).equals(expected)).toBe(true)
        expect(digest).toEqual(eventDigest(event))
        expect(recordLength(expected)).toBe(expected.length)
        expect(decodeEvent(openRecord(expected))).toStrictEqual(event)
      }),
    )
  })

  test('of which a byte was changed, cut, added or taken from another is refused, and with nothing of it', () => {
    const change = fc.record({ at: fc.nat(), mask: fc.integer({ min: 1, max: 255 }), way: fc.nat(3) })
    fc.assert(
      fc.property(anyEvent, anyEvent, change, (event, other, { at, mask, way }) => {
        const record = sealed(event)
        const place = at % record.length
        const damaged = Buffer.from(record)
        damaged.writeUInt8(damaged.readUInt8(place) ^ mask, place)
        const ways = [
          damaged,
          record.subarray(0, place),
          Buffer.concat([record, Buffer.from([mask])]),
          Buffer.concat([record.subarray(0, 56), encodeEvent(other)]),
        ]
        const given = ways[way] ?? damaged
        fc.pre(!given.equals(record))
        expect(() => openRecord(given)).toThrow(
          /^(it does not start with the header of an entry|it is an entry of version [0-9]+, and this version of otel-audit reads version 2|its length is not the one in its header|its checksum does not match)$/,
        )
      }),
      { numRuns: 1000 },
    )
  })

  test('is shorter than the documentation says, whatever the texts of its event', () => {
    const texts = Object.entries(TEXT_LIMITS).map(([field, limit]) => [field, '\uffff'.repeat(limit + 1)])
    const { serviceName, serviceInstanceId, ...fields } = Object.fromEntries(texts) as typeof TEXT_LIMITS
    const name = 'n'.repeat(64)
    const attributes = Object.fromEntries(
      Array.from({ length: 32 }, (_, i) => [`a${i}`, '\uffff'.repeat(4096)]),
    )
    const event = buildEvent(
      {
        ...fields,
        operation: name,
        outcome: name,
        actorType: 'service',
        executionId: 1n,
        parentExecutionId: 1n,
        attributes,
      } as never,
      {
        auditId: 1n,
        occurredAt: 1,
        traceId: '1'.repeat(32),
        spanId: '1'.repeat(16),
        serviceName: String(serviceName),
        serviceInstanceId: String(serviceInstanceId),
      },
    )
    const longest = sealed({ ...event, originalAuditId: 1n }).length
    expect(longest).toBeGreaterThan(12 * 1024)
    expect(longest).toBeLessThan(16 * 1024)
  })

  test('is nowhere within an event, whatever its texts say', () => {
    // The tag of a broker's region is the line feed.
    const texts = ['otel-audit/spool/v2', 'otel-audit/spool/v2\0', 'otel-audit/spool/v2\n']
    const text = fc.constantFrom(...texts)
    fc.assert(
      fc.property(
        fc.record({ serverRegion: text, brokerRegion: text, notes: text, actorId: text }),
        (fields) => {
          const event = buildEvent(
            { credential: 'a', operation: 'get_credential', outcome: 'ok', attributes: fields, ...fields },
            { auditId: 1n, occurredAt: 1 },
          )
          const record = sealed(event)
          expect([findRecord(record, 0), findRecord(record, 1)]).toEqual([0, -1])
        },
      ),
    )
  })
})
