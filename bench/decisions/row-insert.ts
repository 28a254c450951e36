import { Client } from 'pg'
import type { BlockColumns } from '../../src/chain/block-columns.js'
import type { BatchEntry } from '../../src/contract/sink.js'
import { eventDigest } from '../../src/event/digest.js'
import { buildEvent } from '../../src/event/event.js'
import { rowsArray } from '../../src/postgres/write/record-bytes.js'
import type { PostgresServer } from '../../test/support/postgres/server.js'
import { migrate } from '../databases.js'
import { median } from '../statistics.js'

/** The columns that a writer gives, without those of its block. */
const COLUMNS = {
  audit_id: 'bigint',
  occurred_at: 'timestamptz',
  credential: 'text',
  operation: 'text',
  outcome: 'text',
  worker_id: 'text',
  execution_id: 'bigint',
  parent_execution_id: 'bigint',
  server_region: 'text',
  broker_region: 'text',
  kek_version: 'text',
  notes: 'text',
  actor_id: 'text',
  actor_type: 'text',
  source_address: 'text',
  service_name: 'text',
  service_instance_id: 'text',
  trace_id: 'text',
  span_id: 'text',
  attributes: 'text',
  original_audit_id: 'bigint',
  event_digest: 'bytea',
} as const
type Column = keyof typeof COLUMNS
type Row = Readonly<Record<Column, string | null>> & { readonly entry: BatchEntry }

const NAMES = Object.keys(COLUMNS) as Column[]
const SELECTED = NAMES.map((name) => (name === 'attributes' ? 'attributes::json' : name)).join(', ')
const INTO = `insert into noetl.secret_audit (${NAMES.join(', ')})`

/** What the type of a row has beside. */
const PLACE = ['chain_id', 'block_no', 'block_index']
const BLOCK = { chainId: '0'.repeat(32), blockNo: 1n } as BlockColumns

interface Statement {
  readonly text: string
  readonly values: unknown[]
}

/** How the rows of one statement reach the server. */
const WAYS = {
  json: (rows: readonly Row[]) => ({
    text: `${INTO} select ${SELECTED} from json_to_recordset($1::json)
      as event (${NAMES.map((name) => `${name} ${COLUMNS[name]}`).join(', ')})`,
    values: [JSON.stringify(rows, NAMES)],
  }),
  arrays: (rows: readonly Row[]) => ({
    text: `${INTO} select ${SELECTED}
      from unnest(${NAMES.map((name, i) => `$${i + 1}::${COLUMNS[name]}[]`).join(', ')}) as event (${NAMES.join(', ')})`,
    values: NAMES.map((name) => rows.map((row) => row[name])),
  }),
  values: (rows: readonly Row[]) => ({
    text: `${INTO} values ${rows
      .map(
        (_, row) =>
          `(${NAMES.map((name, i) => `$${row * NAMES.length + i + 1}${name === 'attributes' ? '::json' : ''}`).join(', ')})`,
      )
      .join(', ')}`,
    values: rows.flatMap((row) => NAMES.map((name) => row[name])),
  }),
  binary: (rows: readonly Row[]) => ({
    text: `insert into noetl.secret_audit (${[...NAMES, ...PLACE].join(', ')})
      select ${[...NAMES, ...PLACE].join(', ')} from unnest($1::noetl.secret_audit_row_v1[])`,
    values: [
      rowsArray(
        BLOCK,
        rows.map(({ entry }) => entry),
      ),
    ],
  }),
} as const satisfies Record<string, (rows: readonly Row[]) => Statement>
type Way = keyof typeof WAYS

interface InsertCost {
  readonly rows: number
  readonly way: Way
  /** Median of a statement, its commit included, in ms. */
  readonly ms: number
  /** Processor time of this process for one row, in µs. */
  readonly clientUs: number
}

/** One statement with its commit, in each of the ways in turn, into the real table with its indexes. */
export async function compareInserts(
  server: PostgresServer,
  sizes: readonly number[],
  rounds: number,
): Promise<InsertCost[]> {
  await server.query('create database inserts')
  const url = server.url('inserts')
  await migrate(url)
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const costs: InsertCost[] = []
    for (const size of sizes) costs.push(...(await compare(client, size, rounds)))
    return costs
  } finally {
    await client.end()
  }
}

async function compare(client: Client, size: number, rounds: number): Promise<InsertCost[]> {
  const ways = Object.keys(WAYS) as Way[]
  const found = ways.map((way) => ({ way, ms: [] as number[], us: 0 }))
  // The first tenth makes plans and warms both sides up.
  for (let round = -Math.ceil(rounds / 10); round < rounds; round++) {
    for (const one of found) {
      const rows = Array.from({ length: size }, aRow)
      const cpu = process.cpuUsage()
      const began = performance.now()
      const { text, values }: Statement = WAYS[one.way](rows)
      await client.query({ name: `${one.way} ${size}`, text, values })
      if (round < 0) continue
      one.ms.push(performance.now() - began)
      const { user, system } = process.cpuUsage(cpu)
      one.us += user + system
    }
  }
  return found.map(({ way, ms, us }) => ({ rows: size, way, ms: median(ms), clientUs: us / rounds / size }))
}

let lastId = BigInt(Date.now() - Date.UTC(2024, 0)) << 22n

function aRow(): Row {
  lastId++
  const event = buildEvent(
    {
      credential: `credential-${lastId % 5000n}`,
      operation: 'get_credential',
      outcome: 'ok',
      workerId: `worker-${lastId % 64n}`,
      executionId: lastId / 20n,
      serverRegion: 'eu-central',
      kekVersion: 'v3',
      actorId: 'orders',
      actorType: 'service',
      attributes: { tenant: 't-1' },
    },
    {
      auditId: lastId,
      occurredAt: Date.now() * 1000,
      serviceName: 'bench',
      serviceInstanceId: '3f2c1b0a-0000-4000-8000-000000000000',
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
    },
  )
  const digest = eventDigest(event)
  return {
    entry: { event, digest },
    audit_id: String(event.auditId),
    occurred_at: new Date(event.occurredAt / 1000).toISOString(),
    credential: event.credential,
    operation: event.operation,
    outcome: event.outcome,
    worker_id: event.workerId,
    execution_id: String(event.executionId),
    parent_execution_id: null,
    server_region: event.serverRegion,
    broker_region: null,
    kek_version: event.kekVersion,
    notes: null,
    actor_id: event.actorId,
    actor_type: event.actorType,
    source_address: null,
    service_name: event.serviceName,
    service_instance_id: event.serviceInstanceId,
    trace_id: event.traceId,
    span_id: event.spanId,
    attributes: event.attributesJson,
    original_audit_id: null,
    event_digest: `\\x${digest.toString('hex')}`,
  }
}
