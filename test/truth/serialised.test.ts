import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { sample } from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BlockColumns } from '../../src/chain/block-columns.js'
import { decodeEvent } from '../../src/event/decode.js'
import { encodeEvent, eventDigest } from '../../src/event/digest.js'
import { type Field, FIELDS } from '../../src/event/fields.js'
import { rowsArray } from '../../src/postgres/write/record-bytes.js'
import { anyEvent } from '../event/arbitrary-event.js'

// What is stored is what was recorded, whatever the application did to the globals that others serialise with.

const APP = join(import.meta.dirname, 'apps', 'serialise.mjs')
const CHANGES = [...readFileSync(APP, 'utf8').matchAll(/^ {2}'([^']+)'[(:]/gm)].map(([, name = '']) => name)
const run = promisify(execFile)

let dir: string
let said: string
let clean: string

async function output(change: string, when: string): Promise<string> {
  const { stdout } = await run(process.execPath, [APP, change, when, said], { maxBuffer: 2 ** 26 })
  return stdout
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'otel-audit-serialised-'))
  said = join(dir, 'said.json')
  const records = sample(anyEvent, 60).map((event) => {
    const { auditId, occurredAt, serviceName, serviceInstanceId, traceId, spanId } = event
    const identity = { auditId: String(auditId), occurredAt, serviceName, serviceInstanceId, traceId, spanId }
    const { executionId: _1, parentExecutionId: _2, originalAuditId: _3, attributesJson, ...rest } = event
    const attributes = Object.entries(JSON.parse(attributesJson ?? '{}') as object).filter(
      ([key]) => !key.startsWith('sanitized.'),
    )
    const fields = Object.fromEntries(
      Object.entries(rest).filter(([name, value]) => !(name in identity) && value !== null),
    )
    const known = Object.entries(identity).filter(([, value]) => value !== null)
    return {
      fields: { ...fields, attributes: Object.fromEntries(attributes) },
      identity: Object.fromEntries(known),
    }
  })
  writeFileSync(said, JSON.stringify(records))
  clean = await output('none', 'after')
})

afterAll(() => rmSync(dir, { recursive: true }))

it('all changes are tried, and a clean process says all there is', () => {
  expect(CHANGES.length).toBeGreaterThan(10)
  const words = new Set(clean.split('\n').map((line) => line.replace(/ \S*$/, '')))
  for (const word of [
    'digest',
    'decoded',
    'span',
    'from the span',
    'block',
    'key',
    'signature',
    'rows',
    'end',
  ])
    expect(words).toContain(word)
})

describe.each(CHANGES)('with %s', (change) => {
  // What a part of Node does is taken at the import: who changes it before that has changed Node.
  const times = change.startsWith('later, ') ? ['after'] : ['before', 'after']
  it.each(times)('%s the import, every byte is that of a clean process', async (when) => {
    const changed = await output(change, when)
    // Not a diff of megabytes: where they part.
    const lines = changed.split('\n')
    const first = clean.split('\n').findIndex((line, i) => line !== lines[i])
    expect([first, lines[first]]).toEqual([-1, undefined])
    expect(changed).toBe(clean)
  })
})

describe('the row, as it is sent and read back', () => {
  const block = { chainId: '0123456789abcdef'.repeat(2), blockNo: 7n } as BlockColumns

  it('says what the event says, in the types of its columns', () => {
    const entries = sample(anyEvent, 300).map((event) => ({ event, digest: eventDigest(event) }))
    const rows = readRows(rowsArray(block, entries))
    expect(rows).toHaveLength(entries.length)
    for (const [index, { event, digest }] of entries.entries()) {
      const values = rows[index] ?? []
      expect(values.map(({ type }) => type)).toEqual([
        ...FIELDS.map(({ kind }) => TYPES[kind] ?? 25),
        ...SEALED,
      ])
      const told = FIELDS.map(({ name, kind }, i) => [name, readValue(kind, values[i]?.bytes ?? null)])
      expect(Object.fromEntries(told)).toEqual(event)
      const [sealedDigest, chain, number, place] = values.slice(FIELDS.length).map(({ bytes }) => bytes)
      expect([sealedDigest, chain?.toString('hex')]).toEqual([digest, block.chainId])
      expect([number?.readBigInt64BE(), place?.readInt32BE()]).toEqual([block.blockNo, index])
      expect(decodeEvent(encodeEvent(event))).toEqual(event)
    }
  })
})

/** `pg_type.oid`, where it is not that of text. */
const TYPES: Readonly<Partial<Record<Field['kind'], number>>> = { int8: 20, time: 1184, json: 114 }
/** Of digest, chain, block and index. */
const SEALED = [17, 2950, 20, 23]
/** 2000-01-01, in µs. */
const EPOCH_OF_POSTGRES = 946_684_800_000_000

function readValue(kind: Field['kind'], bytes: Buffer | null): unknown {
  if (bytes === null) return null
  if (kind === 'int8') return bytes.readBigInt64BE()
  return kind === 'time' ? Number(bytes.readBigInt64BE()) + EPOCH_OF_POSTGRES : bytes.toString('utf8')
}

/** An array of records, as `array_recv` and `record_recv` read it. */
function readRows(array: Buffer): { type: number; bytes: Buffer | null }[][] {
  let at = 0
  const int4 = (): number => array.readInt32BE((at += 4) - 4)
  const [dimensions, flags, , count, first] = [int4(), int4(), int4(), int4(), int4()]
  expect([dimensions, flags, first]).toEqual([1, 0, 1])
  const rows = Array.from({ length: count }, () => {
    const end = int4() + at
    const values = Array.from({ length: int4() }, () => {
      const [type, length] = [int4(), int4()]
      if (length < 0) return { type, bytes: null }
      return { type, bytes: array.subarray(at, (at += length)) }
    })
    expect(at).toBe(end)
    return values
  })
  expect(at).toBe(array.length)
  return rows
}
