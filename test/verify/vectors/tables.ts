import type { BlockColumns } from '../../../src/chain/block-columns.js'
import type { AuditEvent } from '../../../src/event/event.js'
import { MemoryTrail } from '../memory-trail.js'
import type { PlacedRow } from './builder.js'

// The two tables as lines of JSON, as the SELECTs of docs/integrity.md give them: 64-bit integers are text, bytes are hex.

export type Json = Readonly<Record<string, string | number | null>>

const EVENT_COLUMNS = [
  ['credential', 'credential'],
  ['operation', 'operation'],
  ['outcome', 'outcome'],
  ['worker_id', 'workerId'],
  ['execution_id', 'executionId'],
  ['parent_execution_id', 'parentExecutionId'],
  ['server_region', 'serverRegion'],
  ['broker_region', 'brokerRegion'],
  ['kek_version', 'kekVersion'],
  ['notes', 'notes'],
  ['actor_id', 'actorId'],
  ['actor_type', 'actorType'],
  ['source_address', 'sourceAddress'],
  ['service_name', 'serviceName'],
  ['service_instance_id', 'serviceInstanceId'],
  ['trace_id', 'traceId'],
  ['span_id', 'spanId'],
  ['attributes', 'attributesJson'],
  ['original_audit_id', 'originalAuditId'],
] as const satisfies readonly (readonly [string, keyof AuditEvent])[]

const BIGINTS: ReadonlySet<string> = new Set(['executionId', 'parentExecutionId', 'originalAuditId'])

export function rowJson({ event, digest, chain, block, index }: PlacedRow): Json {
  const columns = EVENT_COLUMNS.map(([column, field]) => {
    const value = event[field]
    return [column, typeof value === 'bigint' ? String(value) : value] as const
  })
  return {
    audit_id: String(event.auditId),
    occurred_at: String(event.occurredAt),
    ...Object.fromEntries(columns),
    event_digest: digest?.toString('hex') ?? null,
    chain_id: chain,
    block_no: block === null ? null : String(block),
    block_index: index,
  }
}

export function blockJson(columns: BlockColumns): Json {
  const { chainId, blockNo, log, kind, prevHash, minId, maxId, root, rowCount, rowTotal } = columns
  return {
    chain_id: chainId,
    block_no: String(blockNo),
    log,
    kind,
    prev_hash: Buffer.from(prevHash).toString('hex'),
    min_id: minId === null ? null : String(minId),
    max_id: maxId === null ? null : String(maxId),
    root: Buffer.from(root).toString('hex'),
    row_count: rowCount,
    row_total: String(rowTotal),
    lost_total: String(columns.lostTotal),
    block_time: String(columns.blockTime),
    body: columns.body,
    signatures: columns.signatures,
  }
}

/** One change to a table. `where` picks by equality; `insert` gives whole rows. */
export type Patch =
  | { readonly table: 'rows' | 'blocks'; readonly where: Json; readonly set: Json }
  | { readonly table: 'rows' | 'blocks'; readonly where: Json; readonly delete: true }
  | { readonly table: 'rows' | 'blocks'; readonly insert: readonly Json[] }

/** No row has what `where` says. */
export class NothingToPatch extends Error {}

export interface Tables {
  readonly rows: readonly Json[]
  readonly blocks: readonly Json[]
}

export function patched(tables: Tables, patches: readonly Patch[]): Tables {
  return patches.reduce<Tables>((now, patch) => {
    const lines = now[patch.table]
    if ('insert' in patch) return { ...now, [patch.table]: [...lines, ...patch.insert] }
    const isMeant = (line: Json): boolean =>
      Object.entries(patch.where).every(([column, value]) => line[column] === value)
    if (!lines.some(isMeant)) throw new NothingToPatch(JSON.stringify(patch))
    const changed =
      'delete' in patch
        ? lines.filter((line) => !isMeant(line))
        : lines.map((line) => (isMeant(line) ? { ...line, ...patch.set } : line))
    return { ...now, [patch.table]: changed }
  }, tables)
}

export function trailOf({ rows, blocks }: Tables): MemoryTrail {
  const trail = new MemoryTrail()
  trail.rows = rows.map((row) => ({
    event: eventOf(row),
    digest: bytes(row['event_digest']),
    chain: text(row['chain_id']),
    block: row['block_no'] === null ? null : Number(row['block_no']),
    index: row['block_index'] as number | null,
  }))
  trail.table = blocks.map((block) => ({
    chainId: text(block['chain_id']) ?? '',
    blockNo: BigInt(block['block_no'] ?? -1),
    log: text(block['log']) ?? '',
    kind: text(block['kind']) ?? '',
    prevHash: bytes(block['prev_hash']) ?? Buffer.alloc(0),
    minId: integer(block['min_id']),
    maxId: integer(block['max_id']),
    root: bytes(block['root']) ?? Buffer.alloc(0),
    rowCount: Number(block['row_count']),
    rowTotal: BigInt(block['row_total'] ?? -1),
    lostTotal: BigInt(block['lost_total'] ?? -1),
    blockTime: BigInt(block['block_time'] ?? -1),
    body: text(block['body']) ?? '',
    signatures: text(block['signatures']) ?? '',
  }))
  return trail
}

function eventOf(row: Json): AuditEvent {
  const fields = EVENT_COLUMNS.map(([column, field]) => {
    const value = row[column] ?? null
    return [field, BIGINTS.has(field) ? integer(value) : value] as const
  })
  const occurredAt = Number(row['occurred_at'])
  return {
    ...(Object.fromEntries(fields) as unknown as AuditEvent),
    auditId: BigInt(row['audit_id'] ?? 0),
    // No digest is of a time without end.
    occurredAt: Number.isFinite(occurredAt) ? occurredAt : Number.MIN_SAFE_INTEGER,
  }
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

function bytes(value: unknown): Buffer | null {
  return typeof value === 'string' ? Buffer.from(value, 'hex') : null
}

function integer(value: unknown): bigint | null {
  return typeof value === 'string' ? BigInt(value) : null
}
