import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { KNOWN_OPERATIONS, KNOWN_OUTCOMES } from '../../../src/event/vocabulary.js'
import { OCSF_MAPPING, ocsfJson } from '../../../src/query/export/ocsf.js'
import { COLUMNS, type TrailRow } from '../../../src/query/row.js'
import { aBareRow, aRow, rowsLackingOne } from './a-row.js'

const SCHEMA = JSON.parse(
  readFileSync(new URL('./schemas/ocsf-api-activity.json', import.meta.url), 'utf8'),
) as { readonly $id: string }
const validate = new Ajv2020({ strict: false, allErrors: true }).compile(SCHEMA)

interface Event {
  readonly [name: string]: unknown
  readonly unmapped: Readonly<Record<string, unknown>>
  readonly metadata: Readonly<Record<string, unknown>>
  readonly actor: Readonly<Record<string, unknown>>
}

function mapped(row: TrailRow): Event {
  const event = JSON.parse(ocsfJson(row)) as Event
  validate(event)
  expect(validate.errors ?? [], JSON.stringify(event)).toEqual([])
  return event
}

describe('a row as an event of OCSF', () => {
  test('is one of the version that it says, by the published schema', () => {
    expect(SCHEMA.$id).toBe(`https://schema.ocsf.io/schema/${OCSF_MAPPING.schema}/classes/api_activity`)
    expect(mapped(aRow())).toMatchObject({
      class_uid: 6003,
      category_uid: 6,
      activity_id: 2,
      activity_name: 'Read',
      type_uid: 600302,
      time: Date.parse('2026-11-26T10:50:22.059Z'),
      status_id: 1,
      severity_id: 1,
      message: aRow().notes,
      metadata: {
        version: OCSF_MAPPING.schema,
        uid: '384294807914644744',
        correlation_uid: '4bf92f3577b34da6a3ce929d0e0e4736',
        event_code: 'get_credential',
        original_time: '2026-11-26T10:50:22.059001Z',
      },
      actor: { user: { uid: 'jane', type_id: 1, type: 'User' }, app_uid: 'worker-7', app_name: 'orders' },
      api: { operation: 'get_credential', service: { name: 'orders' }, request: { uid: '7216413337829376' } },
      src_endpoint: { ip: '192.0.2.7', svc_name: 'orders', instance_uid: 'orders-7d4b9' },
      resources: [{ type: 'credential', name: 'orders-db', version: 'v3' }],
      unmapped: { attributes: '{"via":"cli","n":1e2}', chain_id: aRow().chain_id, block_index: '3' },
    })
  })

  test.each(
    KNOWN_OPERATIONS.flatMap((operation) => KNOWN_OUTCOMES.map((outcome) => [operation, outcome] as const)),
  )('is valid for %s and %s, and says so consistently', (operation, outcome) => {
    const event = mapped(aBareRow({ operation, outcome }))
    expect(event['type_uid']).toBe(600_300 + Number(event['activity_id']))
    const isOther = event['activity_id'] === 99
    expect(event['activity_name'] === operation).toBe(isOther)
    expect(event['status_code']).toBe(outcome)
    // A status of 99 has the text of the source.
    if (event['status_id'] === 99) expect(event['status']).toBe(outcome)
  })

  test('tells what was denied, what failed, and what says nothing of an access', () => {
    const statuses = (outcome: string): unknown[] => {
      const event = mapped(aRow({ outcome }))
      return [event['status'], event['severity']]
    }
    expect(statuses('ok')).toEqual(['Success', 'Informational'])
    expect(statuses('access_denied')).toEqual(['Failure', 'Medium'])
    expect(statuses('provider_fetch_error')).toEqual(['Failure', 'Low'])
    expect(statuses('one_of_its_own')).toEqual(['Failure', 'Low'])
    expect(statuses('requested')).toEqual(['Unknown', 'Informational'])
    expect(statuses('lost')).toEqual(['lost', 'High'])
    expect(statuses('hooked')).toEqual(['hooked', 'Informational'])
  })

  test('has an actor and a source, however little is known', () => {
    expect(mapped(aBareRow())).toMatchObject({
      actor: { app_name: 'unknown' },
      src_endpoint: { name: 'unknown' },
    })
    expect(mapped(aBareRow({ actor_id: 'jane' })).actor).toEqual({
      user: { uid: 'jane', type_id: 0, type: 'Unknown' },
    })
    expect(mapped(aBareRow({ source_address: 'host-7' }))['src_endpoint']).toEqual({ name: 'host-7' })
    expect(mapped(aBareRow({ source_address: '2001:db8::1' }))['src_endpoint']).toEqual({ ip: '2001:db8::1' })
    for (const row of rowsLackingOne()) mapped(row)
  })

  test('has every value of the row, exactly', () => {
    const row = aRow()
    const text = ocsfJson(row)
    for (const column of COLUMNS) expect(text, column).toContain(JSON.stringify(row[column]))
  })

  test('is one line of valid JSON, whatever is in the row', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (credential, notes) => {
        const line = ocsfJson(aRow({ credential, notes }))
        expect(line).not.toContain('\n')
        mapped(aRow({ credential, notes }))
      }),
      { numRuns: 200 },
    )
  })
})

test('the schema refuses what is wrong, so that the tests above mean something', () => {
  const event = JSON.parse(ocsfJson(aRow())) as Record<string, unknown>
  for (const wrong of [
    { ...event, time: '2026' },
    { ...event, status_id: 7 },
    { ...event, actor: {} },
    { ...event, of_ours: 1 },
    { ...event, metadata: { version: '1.6.0' } },
  ]) {
    expect(validate(wrong)).toBe(false)
  }
})
