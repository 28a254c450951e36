// What one writes in an afternoon: takes OTLP, inserts each event for itself, answers 200 when all are inserted. Arguments: port,
// URL of the database.
import { createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { Pool } from 'pg'
import { decodedByReference } from '../../test/support/gateway/otlp-schema.js'

interface KeyValue {
  readonly key: Buffer
  readonly value?: { readonly stringValue?: Buffer }
}

interface TracesRequest {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly traceId: Buffer
        readonly spanId: Buffer
        readonly events: readonly { readonly name: Buffer; readonly attributes: readonly KeyValue[] }[]
      }[]
    }[]
  }[]
}

const FIELDS = [
  'credential',
  'operation',
  'outcome',
  'actor_id',
  'actor_type',
  'worker_id',
  'attributes',
] as const
const INSERT = `insert into access (trace_id, span_id, ${FIELDS.join(', ')}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

const [port, connectionString] = process.argv.slice(2)
const pool = new Pool({ connectionString, max: 10 })

async function store(body: Buffer): Promise<void> {
  const { resourceSpans } = decodedByReference('TracesRequest', body) as TracesRequest
  const inserts: Promise<unknown>[] = []
  for (const { scopeSpans } of resourceSpans)
    for (const { spans } of scopeSpans)
      for (const { traceId, spanId, events } of spans)
        for (const { name, attributes } of events) {
          if (String(name) !== 'secret.access') continue
          const values = new Map(attributes.map(({ key, value }) => [String(key), value?.stringValue]))
          const fields = FIELDS.map((field) => values.get(`secret_audit.${field}`)?.toString() ?? null)
          const ids = [traceId, spanId].map((id) => Buffer.from(id).toString('hex'))
          inserts.push(pool.query({ name: 'insert', text: INSERT, values: [...ids, ...fields] }))
        }
  await Promise.all(inserts)
}

createServer((request, response) => {
  if (request.method !== 'POST') {
    response.end()
    return
  }
  buffer(request)
    .then(store)
    .then(
      () => response.end(),
      (error: unknown) => {
        console.error(error)
        response.writeHead(503).end()
      },
    )
}).listen(Number(port), '127.0.0.1')
