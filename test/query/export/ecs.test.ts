import { createRequire } from 'node:module'
import { describe, expect, test } from 'vitest'
import { KNOWN_OPERATIONS, KNOWN_OUTCOMES } from '../../../src/event/vocabulary.js'
import { ECS_MAPPING, ecsJson } from '../../../src/query/export/ecs.js'
import { COLUMNS, type TrailRow } from '../../../src/query/row.js'
import { aBareRow, aRow, rowsLackingOne } from './a-row.js'

interface EcsField {
  readonly type: string
  readonly normalize: readonly string[]
  readonly ignore_above?: number
  readonly allowed_values?: readonly {
    readonly name: string
    readonly expected_event_types?: readonly string[]
  }[]
}

// Its declarations are sources of their own, of a megabyte.
const load = createRequire(import.meta.url)
const { EcsFlat } = load('@elastic/ecs/generated/ecs_flat.js') as {
  readonly EcsFlat: Readonly<Record<string, EcsField>>
}
const { version: published } = load('@elastic/ecs/package.json') as { readonly version: string }

type Document = Readonly<Record<string, unknown>>

/** Field by field, as `a.b.c`; what is ours by name is not the schema's. */
function* fieldsOf(document: Document, path = ''): Generator<readonly [string, unknown]> {
  for (const [name, value] of Object.entries(document)) {
    const field = `${path}${name}`
    if (field === 'secret_audit') continue
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    if (isObject) yield* fieldsOf(value as Document, `${field}.`)
    else yield [field, value]
  }
}

const IS: Readonly<Record<string, (value: unknown) => boolean>> = {
  date: (value) => typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value),
  keyword: (value) => typeof value === 'string',
  match_only_text: (value) => typeof value === 'string',
  ip: (value) => typeof value === 'string' && /^[\d.]+$|:/.test(value),
}

function mapped(row: TrailRow): Document {
  const document = JSON.parse(ecsJson(row)) as Document
  for (const [name, value] of fieldsOf(document)) {
    const field = EcsFlat[name]
    if (field === undefined) throw new Error(`${name} is not a field of the schema`)
    const values = field.normalize.includes('array') ? (value as unknown[]) : [value]
    expect(Array.isArray(value), name).toBe(field.normalize.includes('array'))
    for (const one of values) {
      expect(IS[field.type]?.(one), `${name} is of type ${field.type}`).toBe(true)
      const allowed = field.allowed_values?.map((known) => known.name)
      if (allowed !== undefined) expect(allowed, name).toContain(one)
    }
  }
  const { category, type } = document['event'] as { readonly category: string[]; readonly type: string[] }
  const expected = EcsFlat['event.category']?.allowed_values?.find(({ name }) => name === category[0])
  for (const one of type) expect(expected?.expected_event_types).toContain(one)
  return document
}

describe('a row as a document of ECS', () => {
  test('has only fields of the published schema, of their types and values', () => {
    expect(ECS_MAPPING.schema).toBe(published)
    expect(mapped(aRow())).toMatchObject({
      '@timestamp': '2026-11-26T10:50:22.059001Z',
      ecs: { version: published },
      event: {
        kind: 'event',
        category: ['api'],
        type: ['access', 'allowed'],
        action: 'get_credential',
        outcome: 'success',
        id: '384294807914644744',
        code: 'ok',
        created: '2026-11-26T10:50:22.061000Z',
        hash: 'ab'.repeat(32),
      },
      user: { id: 'jane' },
      service: { name: 'orders', node: { name: 'orders-7d4b9' } },
      source: { address: '192.0.2.7', ip: '192.0.2.7' },
      cloud: { region: 'eu-central-1' },
      trace: { id: '4bf92f3577b34da6a3ce929d0e0e4736' },
      span: { id: '00f067aa0ba902b7' },
      related: { user: ['jane'], ip: ['192.0.2.7'] },
      secret_audit: { mapping: 1, credential: 'orders-db', worker_id: 'worker-7', block_index: '3' },
    })
  })

  test.each(
    KNOWN_OPERATIONS.flatMap((operation) => KNOWN_OUTCOMES.map((outcome) => [operation, outcome] as const)),
  )('is one for %s and %s', (operation, outcome) => {
    mapped(aBareRow({ operation, outcome }))
  })

  test('tells what was denied from what failed', () => {
    const event = (outcome: string) => (mapped(aRow({ outcome })) as { event: Record<string, unknown> }).event
    expect(event('access_denied')).toMatchObject({ type: ['access', 'denied'], outcome: 'failure' })
    expect(event('provider_fetch_error')).toMatchObject({ type: ['access'], outcome: 'failure' })
    expect(event('requested')).toMatchObject({ type: ['access'], outcome: 'unknown' })
    expect(event('stopped')).toMatchObject({ type: ['end'], outcome: 'unknown' })
  })

  test('says nothing that is not known', () => {
    expect(Object.keys(mapped(aBareRow())).sort()).toEqual(['@timestamp', 'ecs', 'event', 'secret_audit'])
    expect(mapped(aBareRow({ source_address: 'host-7' }))).toMatchObject({ source: { address: 'host-7' } })
    expect(mapped(aBareRow({ source_address: '2001:db8::1' }))).toMatchObject({
      source: { ip: '2001:db8::1' },
      related: { ip: ['2001:db8::1'] },
    })
    expect(mapped(aBareRow({ service_instance_id: 'i-1' }))).toMatchObject({
      secret_audit: { service_instance_id: 'i-1' },
    })
    for (const row of rowsLackingOne()) mapped(row)
  })

  test('has every value of the row, exactly, on one line', () => {
    const row = aRow()
    const text = ecsJson(row)
    for (const column of COLUMNS) expect(text, column).toContain(JSON.stringify(row[column]))
    expect(text).not.toContain('\n')
  })
})
