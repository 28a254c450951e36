import { randomBytes } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { firstIdOf } from '../../src/event/snowflake.js'
import type { AuditEvent } from '../../src/event/event.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { anEvent, batchOf } from '../../test/support/events.js'
import { guard, release } from '../../test/support/postgres/guard.js'
import type { PostgresServer } from '../../test/support/postgres/server.js'
import { SeededRandom } from '../random.js'
import { CommandLine } from './command-line.js'
import type { Place, Store } from './place.js'

const ORIGIN = 'otel-audit/wallet'
const SERVICE = 'wallet'
const AUDITOR = 'auditor'
/** Writers that begin and end with the months, as services do that are deployed anew. */
const WRITERS = 3
const LARGEST_BATCH = 40

export interface OldMonthsOptions {
  /** That are over. */
  readonly months: number
  /** About so many rows each. */
  readonly rows: number
  readonly seed: number
  /** Where its archives are put. */
  readonly store: Store
}

/**
 * A trail with months that are over, written by honest services under enrolled keys, whose blocks reach over the ends of
 * months; and what its operator and its auditor have of it.
 */
export class OldMonths {
  readonly database: string
  readonly directory: string
  /** First of each month, ms since the Unix epoch; the last one is not over. */
  readonly starts: readonly number[]
  /** As its operator runs it. */
  readonly operator: CommandLine
  /** As somebody runs it who may read, and has public keys. */
  readonly auditor: CommandLine
  /** As somebody runs it who has files alone. */
  readonly offline: CommandLine
  /** Where its archives are. */
  readonly place: Place
  readonly #server: PostgresServer
  /** Ids of the rows that are stored. */
  readonly stored: bigint[] = []
  readonly #random: SeededRandom
  #nth = 0

  private constructor(
    server: PostgresServer,
    database: string,
    directory: string,
    options: OldMonthsOptions,
  ) {
    this.#server = server
    this.database = database
    this.directory = directory
    this.#random = new SeededRandom(options.seed)
    const now = new Date()
    this.starts = Array.from({ length: options.months + 1 }, (_, i) =>
      Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - options.months + i, 1),
    )
    const { env } = options.store
    this.place = options.store.placeOf(database, directory)
    this.offline = new CommandLine(env)
    this.operator = new CommandLine({
      ...env,
      DATABASE_URL: this.ownerUrl,
      NOETL_SECRET_AUDIT_ORIGIN: ORIGIN,
      NOETL_SECRET_AUDIT_ENROLMENT_KEY_FILE: this.file('enrolment.pem'),
      NOETL_SECRET_AUDIT_RETENTION_KEY_FILE: this.file('retention.pem'),
    })
    this.auditor = new CommandLine({ ...env, DATABASE_URL: server.url(database, AUDITOR) })
  }

  static async write(
    server: PostgresServer,
    database: string,
    options: OldMonthsOptions,
  ): Promise<OldMonths> {
    const directory = join(tmpdir(), `otel-audit-retention-${randomBytes(4).toString('hex')}`)
    await guard(directory)
    await mkdir(directory, { mode: 0o700 })
    const trail = new OldMonths(server, database, directory, options)
    try {
      await trail.#begin()
      await trail.#fill(options)
      return trail
    } catch (error) {
      await trail.close()
      throw error
    }
  }

  file(name: string): string {
    return join(this.directory, name)
  }

  get archive(): string {
    return this.place.name
  }

  get trust(): string {
    return this.file('audit.trust')
  }

  get ownerUrl(): string {
    return this.#server.url(this.database)
  }

  /** First day of a month by its number, as `--before` takes it. */
  date(month: number): string {
    return new Date(this.starts[month] ?? 0).toISOString().slice(0, 10)
  }

  /** The first id that is not before a month. */
  bound(month: number): bigint {
    return firstIdOf(this.starts[month] ?? 0)
  }

  partition(month: number): string {
    const [year, number] = this.date(month).split('-')
    return `secret_audit_y${year}m${number}`
  }

  /** An event of a month, somewhere in it. Negative seconds: before its end. */
  event(month: number, second?: number, credential?: string): AuditEvent {
    const [start, end] = [this.starts[month] ?? 0, this.starts[month + 1] ?? Date.now()]
    const at =
      second === undefined
        ? start + Math.floor(this.#random.next() * (end - start))
        : (second < 0 ? end : start) + second * 1000
    this.#nth++
    return anEvent(
      { credential: credential ?? `key-${this.#nth % 50}` },
      { auditId: firstIdOf(at) + BigInt(this.#nth % 4_000_000), occurredAt: at * 1000 },
    )
  }

  /** A sink as that of a service. */
  sink(applicationName = SERVICE): PostgresAuditSink {
    const sink = new PostgresAuditSink({
      databaseUrl: this.#server.url(this.database, SERVICE),
      origin: ORIGIN,
      enrolmentKeyFile: this.file('enrolment.pem'),
      applicationName,
    })
    return sink
  }

  /** Stored, each batch by itself. */
  async store(sink: PostgresAuditSink, ...events: readonly AuditEvent[]): Promise<void> {
    const result = await sink.write(batchOf(...events))
    if (result.status !== 'committed') throw new Error('it was not stored', { cause: result })
    for (const { auditId } of events) this.stored.push(auditId)
  }

  async owner<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const client = new Client({ connectionString: this.ownerUrl })
    client.on('error', () => {})
    await client.connect()
    try {
      return await work(client)
    } finally {
      await client.end().catch(() => {})
    }
  }

  async close(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
    await release(this.directory)
  }

  async #begin(): Promise<void> {
    const lines = [`origin ${ORIGIN}`, 'unsigned any']
    for (const [file, ...flags] of [['enrolment.pem'], ['retention.pem', '--retention']] as const) {
      const made = ['keys', 'create', ...flags, '--origin', ORIGIN, '--out', this.file(file)]
      lines.push((await this.operator.expect(0, ...made)).stdout.trimEnd())
    }
    await writeFile(this.trust, `${lines.join('\n')}\n`)
    await this.#server.query(`create database ${this.database}`)
    await this.operator.expect(0, 'migrate', '--roles')
    await this.owner(async (client) => {
      for (const [login, role] of [
        [SERVICE, 'noetl_audit_writer'],
        [AUDITOR, 'noetl_audit_reader'],
      ]) {
        const { rowCount } = await client.query('select from pg_roles where rolname = $1', [login])
        if (rowCount === 0) await client.query(`create role ${login} login`)
        await client.query(`grant ${role} to ${login}`)
      }
      for (const start of this.starts.slice(0, -2)) {
        await client.query(`select noetl.secret_audit_create_partition($1::timestamptz at time zone 'UTC')`, [
          new Date(start).toISOString(),
        ])
      }
    })
  }

  async #fill({ months, rows }: OldMonthsOptions): Promise<void> {
    for (let month = 0; month < months; month++) {
      const writers = Array.from({ length: WRITERS }, () => this.sink())
      for (let left = rows - 3 * WRITERS; left > 0; ) {
        const size = Math.min(left, this.#random.between(1, LARGEST_BATCH))
        left -= size
        const writer = writers[left % WRITERS]
        if (writer === undefined) throw new Error('no writer')
        await this.store(writer, ...Array.from({ length: size }, () => this.event(month)))
      }
      for (const writer of writers) {
        await this.store(writer, this.event(month, -5), this.event(month, -4), this.event(month + 1, 1))
        await writer.close()
      }
    }
    // One of the time before there was a block.
    const at = (this.starts[0] ?? 0) + 60_000
    const id = firstIdOf(at)
    await this.owner((client) =>
      client.query(
        `insert into noetl.secret_audit (audit_id, credential, operation, outcome, occurred_at)
         values ($1, 'original', 'get_sealed', 'ok', $2)`,
        [String(id), new Date(at)],
      ),
    )
    this.stored.push(id)
  }
}
