import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Client } from 'pg'
import { archive, type ArchiveResult } from '../../src/archive/archive.js'
import type { ArchiveContext } from '../../src/archive/place.js'
import type { ArchiveStore } from '../../src/archive/archive-store.js'
import { DirectoryStore } from '../../src/archive/directory-store.js'
import { retire, type RetireContext } from '../../src/archive/retire.js'
import type { RetireOutcome } from '../../src/archive/retire-plan.js'
import { verifyArchive, type ArchiveReport } from '../../src/archive/verify-archive.js'
import { generateNoteKey } from '../../src/chain/note-key.js'
import type { AuditBatch } from '../../src/contract/sink.js'
import type { AuditEvent, AuditFields } from '../../src/event/event.js'
import { firstIdOf } from '../../src/event/snowflake.js'
import { chainStartsRow, retentionRow } from '../../src/event/self-rows.js'
import { listPartitions, type PartitionWidth } from '../../src/postgres/partitions.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { Anchors } from '../../src/verify/anchors.js'
import type { Finding } from '../../src/verify/finding.js'
import { retentionKeyName } from '../../src/verify/retention-note.js'
import { NO_TRUST, type Trust } from '../../src/verify/trust.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'

const ORIGIN = 'otel-audit/wallet'

/** Partitions of another width, so many of which are over. @returns where they begin, ms since the Unix epoch */
async function oldUnits(owner: Client, count: number, width: PartitionWidth): Promise<readonly number[]> {
  for (const { name } of await listPartitions(owner, 'noetl')) await owner.query(`drop table noetl.${name}`)
  await owner.query('select noetl.secret_audit_set_partition_width($1)', [width])
  const { rows } = await owner.query<{ ms: string }>(
    `select (extract(epoch from unit) * 1000)::bigint as ms,
       case when place > 1 then noetl.secret_audit_create_partition(w.width, noetl.secret_audit_first_id(unit),
         noetl.secret_audit_first_id(unit + w.step)) end
     from noetl.secret_audit_partition_width() w
     cross join lateral generate_series(0, $1::int) place
     cross join lateral (select date_trunc(w.width, now() at time zone 'UTC') - place * w.step as unit) old
     order by unit`,
    [count],
  )
  return rows.map(({ ms }) => Number(ms))
}

/** A trail with months that are over, written by honest writers whose blocks reach over the ends of months. */
export class OldTrail {
  readonly database: TestDatabase
  readonly owner: Client
  readonly directory = mkdtempSync(join(tmpdir(), 'otel-audit-archive-'))
  readonly key = generateNoteKey(retentionKeyName(ORIGIN))
  readonly writer: PostgresAuditSink
  /** First of each month, ms since the Unix epoch; the last one is not over. */
  readonly months: readonly number[]
  readonly lines: string[] = []
  readonly findings: Finding[] = []
  #nth = 0

  private constructor(database: TestDatabase, owner: Client, months: readonly number[]) {
    this.database = database
    this.owner = owner
    this.months = months
    this.writer = new PostgresAuditSink({ databaseUrl: database.url, origin: ORIGIN })
  }

  /**
   * @param months how many are over: months, or units of another width
   * @param given with an empty trail. Default: one of the test server
   */
  static async create(
    months: number,
    width: PartitionWidth = 'month',
    given?: TestDatabase,
  ): Promise<OldTrail> {
    const database = given ?? (await migratedDatabase())
    const owner = await connect(database.url)
    if (width !== 'month') return new OldTrail(database, owner, await oldUnits(owner, months, width))
    const now = new Date()
    const starts = Array.from({ length: months + 1 }, (_, i) =>
      Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months + i, 1),
    )
    for (const start of starts.slice(0, -2)) {
      await owner.query(`select noetl.secret_audit_create_partition($1::timestamptz at time zone 'UTC')`, [
        new Date(start).toISOString(),
      ])
    }
    return new OldTrail(database, owner, starts)
  }

  /** An event of a month, by its number. Negative: counted from its end. */
  event(month: number, second: number, fields: Partial<AuditFields> = {}): AuditEvent {
    const start = this.months[second < 0 ? month + 1 : month] ?? 0
    const ms = start + second * 1000
    this.#nth++
    return anEvent(
      { credential: `key-${this.#nth % 3}`, ...fields },
      { auditId: firstIdOf(ms) + BigInt(this.#nth), occurredAt: ms * 1000 },
    )
  }

  async write(...events: readonly AuditEvent[]): Promise<void> {
    await this.send(batchOf(...events))
  }

  async send(batch: AuditBatch): Promise<void> {
    const result = await this.writer.write(batch)
    if (result.status !== 'committed') throw new Error('it was not stored', { cause: result })
  }

  /** A few blocks in each month that is over, and one over the end of each. */
  async fill(): Promise<void> {
    const last = this.months.length - 1
    for (let month = 0; month < last; month++) {
      await this.write(...[10, 20, 30].map((second) => this.event(month, second)))
      await this.write(
        this.event(month, 40, { outcome: 'wrong_region', notes: 'line\nbreak "quoted" \u2028' }),
      )
      await this.write(this.event(month, -5), this.event(month, -4), this.event(month + 1, 1))
    }
    await this.owner.query(
      `insert into noetl.secret_audit (audit_id, credential, operation, outcome, occurred_at)
       values ($1, 'original', 'get_sealed', 'ok', $2)`,
      [String(firstIdOf((this.months[0] ?? 0) + 60_000)), new Date((this.months[0] ?? 0) + 60_000)],
    )
  }

  /** The first id that is not of a month before. */
  bound(month: number): bigint {
    return firstIdOf(this.months[month] ?? 0)
  }

  get store(): DirectoryStore {
    return new DirectoryStore(this.directory)
  }

  get trust(): Trust {
    return { ...NO_TRUST, origin: ORIGIN, retention: [this.key.signer.key] }
  }

  context(more: Partial<ArchiveContext & RetireContext> = {}): ArchiveContext & RetireContext {
    return {
      databaseUrl: this.database.url,
      schema: 'noetl',
      store: this.store,
      storeAt: (place) => new DirectoryStore(place),
      signer: this.key.signer,
      log: ORIGIN,
      trust: NO_TRUST,
      onLine: (line) => this.lines.push(line),
      onOutcome: () => {},
      onRows: () => {},
      onFinding: (finding) => this.findings.push(finding),
      acceptFindings: false,
      patienceMs: 2000,
      withoutArchive: false,
      record: async (retention, note) => {
        await this.write(anEvent(retentionRow(retention, note, { actorId: 'op', actorType: 'user' })))
      },
      recordStarts: async (starts, note) => {
        await this.write(anEvent(chainStartsRow(starts, note, { actorId: 'op', actorType: 'user' })))
      },
      ...more,
    }
  }

  archive(month: number, more: Partial<ArchiveContext> = {}): Promise<ArchiveResult> {
    return archive(this.context(more), this.bound(month))
  }

  retire(month: number, more: Partial<RetireContext> = {}): Promise<readonly RetireOutcome[]> {
    return retire(this.context(more), this.bound(month))
  }

  async verifyFiles(
    trust: Partial<Trust> = {},
    store: ArchiveStore = this.store,
  ): Promise<ArchiveReport & { found: Finding[] }> {
    const found: Finding[] = []
    const report = await verifyArchive(store, {
      trust: { ...this.trust, ...trust },
      anchors: new Anchors(),
      selection: { chain: undefined, ids: undefined },
      onFinding: (finding) => found.push(finding),
    })
    return { ...report, found }
  }

  async drop(): Promise<void> {
    await this.writer.close()
    await this.owner.end()
    await this.database.drop()
    rmSync(this.directory, { recursive: true, force: true })
  }
}
