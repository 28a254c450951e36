import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { sample } from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BatchEntry } from '../../src/contract/sink.js'
import { eventDigest } from '../../src/event/digest.js'
import { rowsText, rowValues } from '../../src/postgres/write/row-text.js'
import { eventFromJson, eventToJson } from '../../src/spool/record.js'
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
    'value',
    'record',
    'record again',
    'span',
    'from the span',
    'block',
    'rows',
    'end',
  ])
    expect(words).toContain(word)
})

describe.each(CHANGES)('with %s', (change) => {
  it.each(['before', 'after'])('%s the import, every byte is that of a clean process', async (when) => {
    const changed = await output(change, when)
    // Not a diff of megabytes: where they part.
    const lines = changed.split('\n')
    const first = clean.split('\n').findIndex((line, i) => line !== lines[i])
    expect([first, lines[first]]).toEqual([-1, undefined])
    expect(changed).toBe(clean)
  })
})

describe('the row', () => {
  const withoutNulls = (row: object): object =>
    Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null))

  it('as JSON and as values says the same, and what the event says', () => {
    for (const event of sample(anyEvent, 300)) {
      const entry: BatchEntry = { event, digest: eventDigest(event) }
      const [row] = JSON.parse(rowsText([entry])) as [Record<string, string | number>]
      const columns = Object.keys(row)
      const values = rowValues(entry)
      expect(values.filter((value) => value !== null)).toEqual(columns.map((column) => String(row[column])))
      const back = eventFromJson(eventToJson(event))
      expect(back).toEqual(event)
      const { event_digest, block_index, attributes, ...rest } = row
      const camel = Object.fromEntries(
        Object.entries(rest).map(([name, value]) => [
          name.replace(/_(.)/g, (_, c: string) => c.toUpperCase()),
          value,
        ]),
      )
      const told = withoutNulls({ ...event, attributesJson: null })
      expect(
        Object.entries(camel)
          .map(([name, value]) => `${name} ${String(value)}`)
          .toSorted((a, b) => (a < b ? -1 : 1)),
      ).toEqual(
        Object.entries(told)
          .map(([name, value]) => `${name} ${String(value)}`)
          .toSorted((a, b) => (a < b ? -1 : 1)),
      )
      expect([event_digest, block_index, attributes]).toEqual([
        `\\x${entry.digest.toString('hex')}`,
        0,
        event.attributesJson ?? undefined,
      ])
    }
  })
})
