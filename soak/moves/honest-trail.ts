import { mkdir, rm, writeFile } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import type { CommittedBlock } from '../../src/contract/sink.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import {
  idAt,
  ORIGINAL_INSERT,
  ORIGINAL_START_UP,
  originalValues,
} from '../../test/postgres/adopt/original-table.js'
import { anEvent, batchOf } from '../../test/support/events.js'
import { guard, release } from '../../test/support/postgres/guard.js'
import { otelAudit, type Place } from './command-line.js'

const ORIGIN = 'otel-audit/moved'
const KEY = 'enrolment.pem'
/** Rows of the original's way, before the table was adopted and after that. */
const UNSIGNED_ROWS = { before: 20, after: 5 }
const TRANSACTIONS = 5000
const UNSIGNED_AGE_MS = 60_000
const OLD_AGE_MS = 30_000
/** Sizes of the blocks that each writer writes. */
const BATCHES = [1, 3, 8, 20, 40]

/**
 * A trail that several writers have written to, honestly, and what its auditor has of it: the trust file with the key that
 * enrolled them, and the anchors of all blocks. It begins with the rows of the original's table, which nobody signed.
 */
export class HonestTrail {
  readonly place: Place
  readonly directory: string
  readonly #anchors: string[] = []
  #statements = ''

  private constructor(place: Place, directory: string) {
    this.place = place
    this.directory = directory
  }

  /** @param url of an empty database */
  static async write(url: string, schema = 'noetl'): Promise<HonestTrail> {
    const directory = join(tmpdir(), `otel-audit-moves-${randomBytes(4).toString('hex')}`)
    await guard(directory)
    await mkdir(directory, { mode: 0o700 })
    const trail = new HonestTrail({ url, schema }, directory)
    try {
      await trail.#begin()
      await trail.#fill()
      return trail
    } catch (error) {
      await trail.close()
      throw error
    }
  }

  get anchors(): string {
    return join(this.directory, 'anchors.txt')
  }

  /** The trust file, with a statement that the move asks for. @returns its path */
  async trust(...statements: readonly string[]): Promise<string> {
    const path = join(this.directory, 'audit.trust')
    await writeFile(path, [this.#statements, ...statements, ''].join('\n'))
    return path
  }

  /** A new writer stores so many rows, wherever the trail is now. @returns their ids */
  async append(place: Place, rows: number): Promise<string[]> {
    return await this.#append(
      place,
      Array.from({ length: rows }, () => anEvent()),
    )
  }

  /** What a spool kept is stored late: the ids are those of the beginning of the trail. */
  async appendOld(rows: number): Promise<string[]> {
    const at = Date.now() - OLD_AGE_MS
    const events = Array.from({ length: rows }, (_, i) =>
      anEvent({}, { auditId: idAt(at, i), occurredAt: at * 1000 }),
    )
    return await this.#append(this.place, events)
  }

  async #append(place: Place, events: readonly Event[]): Promise<string[]> {
    const writer = this.#writer(place)
    await written(writer, events)
    await writer.close()
    await this.#keepAnchors()
    return events.map(({ auditId }) => String(auditId))
  }

  async close(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
    await release(this.directory)
  }

  async #begin(): Promise<void> {
    const { url } = this.place
    const owner = new Client({ connectionString: url })
    await owner.connect()
    // Its transactions are ahead of those of a server that was made just now, and in no settled set there by their numbers.
    await owner.query('set synchronous_commit = off')
    await owner.query(`do $$ begin
      for i in 1..${TRANSACTIONS} loop perform pg_current_xact_id(); commit; end loop;
    end $$`)
    await owner.query('create schema noetl')
    for (const statement of ORIGINAL_START_UP) await owner.query(statement)
    const now = Date.now()
    const insert = async (rows: number, from: number): Promise<void> => {
      for (let i = 0; i < rows; i++) {
        await owner.query(ORIGINAL_INSERT, originalValues(idAt(now - UNSIGNED_AGE_MS, from + i)))
      }
    }
    await insert(UNSIGNED_ROWS.before, 0)
    await succeeds(['migrate', '--roles'], this.place)
    await insert(UNSIGNED_ROWS.after, UNSIGNED_ROWS.before)
    await owner.end()
    const key = ['keys', 'create', '--origin', ORIGIN, '--out', join(this.directory, KEY)]
    const enrolment = await succeeds(key, undefined)
    this.#statements = `origin ${ORIGIN}\n${enrolment.trimEnd()}\nunsigned before ${idAt(now)}`
  }

  /** Two writers end in order, and one is killed. */
  async #fill(): Promise<void> {
    const name = `otel-audit moved ${randomBytes(4).toString('hex')}`
    const writers = Array.from({ length: 3 }, () => this.#writer(this.place, name))
    for (const size of BATCHES) {
      for (const writer of writers)
        await written(
          writer,
          Array.from({ length: size }, () => anEvent()),
        )
    }
    await Promise.all(writers.slice(1).map((writer) => writer.close()))
    const owner = new Client({ connectionString: this.place.url })
    await owner.connect()
    await owner.query('select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1', [
      name,
    ])
    await owner.end()
    await this.#keepAnchors()
  }

  #writer({ url, schema }: Place, applicationName = 'otel-audit moved'): PostgresAuditSink {
    const enrolmentKeyFile = join(this.directory, KEY)
    const sink = new PostgresAuditSink({
      databaseUrl: url,
      schema,
      origin: ORIGIN,
      enrolmentKeyFile,
      applicationName,
      idleAfterMs: 3_600_000,
    })
    sink.attach({
      serviceName: 'wallet',
      serviceInstanceId: randomBytes(4).toString('hex'),
      lost: 0,
      onBlock: ({ note }: CommittedBlock) => void this.#anchors.push(note),
      onLostBlocks: () => {},
    })
    return sink
  }

  async #keepAnchors(): Promise<void> {
    await writeFile(this.anchors, this.#anchors.join(''))
  }
}

type Event = ReturnType<typeof anEvent>

async function written(writer: PostgresAuditSink, events: readonly Event[]): Promise<void> {
  const result = await writer.write(batchOf(...events))
  if (result.status !== 'committed') throw new Error(`not stored: ${JSON.stringify(result)}`)
}

async function succeeds(args: readonly string[], place: Place | undefined): Promise<string> {
  const { code, stdout, stderr } = await otelAudit(args, place)
  if (code !== 0) throw new Error(`otel-audit ${args.join(' ')}: ${stderr}`)
  return stdout
}
