import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTrailApp } from 'otel-audit/server'
import { Trail } from 'otel-audit/query'
import { FILTER_FIELDS } from '../../src/query/filter-fields.js'
import { migratedDatabase, type TestDatabase } from '../support/database.js'
import { PATH, served } from './served.js'

interface Operation {
  readonly operationId: string
  readonly security: readonly unknown[]
  readonly parameters: readonly {
    readonly name: string
    readonly in: string
    readonly example?: string
    readonly schema: { readonly pattern?: string; readonly maximum?: number }
  }[]
  readonly responses: Readonly<
    Record<string, { readonly content: Readonly<Record<string, { schema: { $ref: string } }>> }>
  >
}
interface Document {
  readonly openapi: string
  readonly paths: Readonly<Record<string, { readonly get: Operation }>>
  readonly components: { readonly schemas: Readonly<Record<string, { readonly required?: string[] }>> }
}

let database: TestDatabase

beforeAll(async () => {
  database = await migratedDatabase()
})

afterAll(() => database.drop())

async function document(): Promise<Document> {
  const { get } = await served(database.url)
  return (await get('/openapi.json', {})).body as unknown as Document
}

describe('the OpenAPI document', () => {
  test('has every route that is registered, and no other', async () => {
    const trail = new Trail({ databaseUrl: database.url })
    const audit = { recordStrict: () => Promise.reject(new Error('unused')), recordAsync: () => 0n }
    const app = createTrailApp({ trail, audit })
    const registered = app.routes
      .filter(({ method, path }) => method === 'GET' && path !== '/*')
      .map(({ path }) => path.replaceAll(/:(\w+)/g, '{$1}'))
    expect(Object.keys((await document()).paths).sort()).toEqual([...new Set(registered)].sort())
    await trail.close()
  })

  test('says of every route how it answers: each answers so', async () => {
    const { paths, components } = await document()
    const { get } = await served(database.url)
    for (const [path, { get: operation }] of Object.entries(paths)) {
      const answer = await get(path.replace('{audit_id}', '5'))
      const described = operation.responses[String(answer.status)]
      expect(described, `${path} ${answer.status}`).toBeDefined()
      const [type = ''] = (answer.headers.get('content-type') ?? '').split(';')
      const ref = described?.content[type]?.schema.$ref ?? ''
      const schema = components.schemas[ref.replace('#/components/schemas/', '')]
      expect(schema, `${path} ${type}`).toBeDefined()
      for (const key of schema?.required ?? []) expect(answer.body, path).toHaveProperty(key)
      const anonymous = await get(path.replace('{audit_id}', '5'), {})
      expect(anonymous.status === 401, `${path} is for readers`).toBe(operation.security.length > 0)
    }
  })

  test('has every parameter that is understood, and none that is not', async () => {
    const { paths } = await document()
    const own = ['ids', 'buckets', 'by', 'across', 'order', 'within', 'least', 'format', 'at']
    const names = [...Object.keys(FILTER_FIELDS), ...own]
    for (const [path, { get: operation }] of Object.entries(paths)) {
      if (!path.startsWith(PATH)) continue
      // One for each path: nobody may ask about so many at once.
      const { get } = await served(database.url)
      const described = operation.parameters.filter((one) => one.in === 'query').map(({ name }) => name)
      const understood: string[] = []
      for (const name of names) {
        const { body } = await get(`${path.replace('{audit_id}', '5')}?${name}=%00`)
        if (body['parameter'] === name && !String(body['detail']).includes('is not a parameter'))
          understood.push(name)
      }
      expect(described.sort(), path).toEqual(understood.sort())
    }
  })

  test('has examples that are accepted', async () => {
    const { paths } = await document()
    const { get } = await served(database.url)
    for (const { name, example = '' } of paths[PATH]?.get.parameters ?? []) {
      if (name === 'cursor') continue
      const { status } = await get(
        `${PATH}?${new URLSearchParams({ ...(name !== 'from' && { from: '2026-01-01' }), [name]: example }).toString()}`,
      )
      expect(status, name).toBe(200)
    }
  })

  test('describes rows with all their columns', async () => {
    const { components } = await document()
    const { get } = await served(database.url)
    await get(PATH)
    const rows = (await get(`${PATH}?own=include`)).body['rows'] as Record<string, unknown>[]
    expect(components.schemas['Row']?.required?.sort()).toEqual(Object.keys(rows[0] ?? {}).sort())
  })
})
