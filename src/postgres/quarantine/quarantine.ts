import type { ClientBase } from 'pg'
import { AuditError } from '../../errors.js'
import { remedyOf } from '../remedy.js'
import type { Connection } from '../connection.js'
import { withoutRowContents } from '../faults.js'
import { quotedSchema } from '../schema-name.js'
import { checkSchema } from '../schema-version.js'
import { openSession, type WriteSession } from '../session.js'

/** What is kept, without its bytes. Times are µs since the Unix epoch. */
export interface QuarantinedItem {
  readonly quarantineId: bigint
  /** SHA-256, hex. */
  readonly fingerprint: string
  readonly receivedAt: number
  readonly sender: string
  readonly reason: string
  readonly format: string
  readonly serviceName: string | null
  readonly serviceInstanceId: string | null
  readonly traceId: string | null
  readonly spanId: string | null
  readonly ordinal: number
  /** Of what is kept. */
  readonly bytes: number
  /** Of the whole, hex. */
  readonly rawSha256: string
  /** Where the row of the trail about it is. */
  readonly chain: string
  readonly block: string
  readonly index: number
  /** `replayed`, `discarded`, or nothing yet. */
  readonly decision: string | null
}

export interface Decision {
  readonly decision: 'replayed' | 'discarded'
  /** Of the row that it became. */
  readonly auditId?: bigint
  readonly decidedBy: string
}

type Columns = Readonly<Record<string, string | number | Buffer | null>>

/** What the gateways keep aside, for an operator with the keeper's role. */
export class Quarantine {
  readonly #connection: Connection
  readonly #schema: string

  private constructor(connection: Connection, schema: string) {
    this.#connection = connection
    this.#schema = schema
  }

  /** @throws AuditError when it cannot be opened */
  static async open(options: WriteSession & { readonly schema: string }): Promise<Quarantine> {
    const connection = await openSession('write', options).catch((error: unknown) => {
      if (error instanceof AuditError) throw error
      const message = `the quarantine cannot be opened: ${withoutRowContents(error).message}; ${remedyOf(error)}`
      throw new AuditError('AUDIT_UNAVAILABLE', message, { cause: error })
    })
    try {
      await connection.run((client) => checkSchema(client, options.schema))
      return new Quarantine(connection, options.schema)
    } catch (error) {
      await connection.close()
      throw error
    }
  }

  /** The newest first. @param isAll also what was decided about */
  async list(isAll: boolean, limit: number): Promise<readonly QuarantinedItem[]> {
    const rows = await this.#rows(
      `${this.#select()} ${isAll ? '' : 'where e.decision is null'} order by q.recorded_at desc, q.quarantine_id desc limit $1`,
      [limit],
    )
    return rows.map(itemOf)
  }

  /** Those with an id: mostly one. */
  async find(id: bigint): Promise<readonly QuarantinedItem[]> {
    const rows = await this.#rows(`${this.#select()} where q.quarantine_id = $1 order by q.fingerprint`, [
      `${id}`,
    ])
    return rows.map(itemOf)
  }

  /** Its bytes, as they came, or their beginning. */
  async raw({ quarantineId, fingerprint }: QuarantinedItem): Promise<Buffer> {
    const [row] = await this.#rows(
      `select raw from ${this.#table} where quarantine_id = $1 and fingerprint = decode($2, 'hex')`,
      [`${quarantineId}`, fingerprint],
    )
    const raw = row?.['raw']
    if (!Buffer.isBuffer(raw)) throw new AuditError('AUDIT_READ_FAILED', 'it is not there any more')
    return raw
  }

  /** The first decision stands. */
  async decide(
    { quarantineId, fingerprint }: QuarantinedItem,
    { decision, auditId, decidedBy }: Decision,
  ): Promise<void> {
    await this.#rows(
      `insert into ${this.#table}_end (quarantine_id, fingerprint, decision, audit_id, decided_by)
       values ($1, decode($2, 'hex'), $3, $4, $5) on conflict do nothing`,
      [`${quarantineId}`, fingerprint, decision, auditId === undefined ? null : `${auditId}`, decidedBy],
    )
  }

  async close(): Promise<void> {
    await this.#connection.close()
  }

  get #table(): string {
    return `${quotedSchema(this.#schema)}.secret_audit_quarantine`
  }

  #select(): string {
    return `select q.quarantine_id::text, encode(q.fingerprint, 'hex') as fingerprint,
        (extract(epoch from q.received_at) * 1000000)::bigint::text as received_at, q.sender, q.reason, q.format,
        q.service_name, q.service_instance_id, q.trace_id, q.span_id, q.ordinal, octet_length(q.raw) as bytes,
        encode(q.raw_sha256, 'hex') as raw_sha256, q.chain_id::text, q.block_no::text, q.block_index, e.decision
      from ${this.#table} q left join ${this.#table}_end e using (quarantine_id, fingerprint)`
  }

  async #rows(text: string, values: unknown[]): Promise<readonly Columns[]> {
    try {
      const query = (client: ClientBase) => client.query<Columns>(text, values)
      return (await this.#connection.run(query)).rows
    } catch (error) {
      const message = `the quarantine cannot be used: ${withoutRowContents(error).message}; ${remedyOf(error)}`
      throw new AuditError('AUDIT_READ_FAILED', message, { cause: error })
    }
  }
}

function itemOf(row: Columns): QuarantinedItem {
  const text = (name: string): string | null => {
    const value = row[name]
    return value === null || value === undefined ? null : String(value)
  }
  return {
    quarantineId: BigInt(text('quarantine_id') ?? 0),
    fingerprint: text('fingerprint') ?? '',
    receivedAt: Number(row['received_at']),
    sender: text('sender') ?? '',
    reason: text('reason') ?? '',
    format: text('format') ?? '',
    serviceName: text('service_name'),
    serviceInstanceId: text('service_instance_id'),
    traceId: text('trace_id'),
    spanId: text('span_id'),
    ordinal: Number(row['ordinal']),
    bytes: Number(row['bytes']),
    rawSha256: text('raw_sha256') ?? '',
    chain: text('chain_id')?.replaceAll('-', '') ?? '',
    block: text('block_no') ?? '',
    index: Number(row['block_index']),
    decision: text('decision'),
  }
}
