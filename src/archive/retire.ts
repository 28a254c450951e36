import type { ClientBase } from 'pg'
import { AuditError } from '../errors.js'
import { wallClock } from '../host/globals.js'
import type { Connection } from '../postgres/connection.js'
import { checkSchema } from '../postgres/schema-version.js'
import { openSession } from '../postgres/session.js'
import { readIdentity } from '../postgres/trail-identity.js'
import { leafOf, StraddlingBlocks } from './straddling.js'
import { type RetentionState, signRetention } from '../verify/retention-note.js'
import { archiveError, type ArchiveStore } from './archive-store.js'
import { checkThere } from './archives.js'
import { type CarryContext, carryNotes } from './carry-notes.js'
import { holdsOn, lockHolds } from './holds.js'
import { inTheWay } from './in-the-way.js'
import { archivesOf } from './archives.js'
import { addLate, markLate, rowsOf, unnamed } from './late-archives.js'
import { lateRows } from './late-rows.js'
import type { ReadManifest } from './manifest.js'
import { PartitionReader } from './partition-reader.js'
import { attachAgain, countRows, detach, dropTable, lockPartition, standingOf } from './partition-table.js'
import { type ArchiveContext, openPlace, type Place } from './place.js'
import { prove } from './prove.js'
import { retireBlocks } from './retire-blocks.js'
import { candidates, heldText, type RetireOutcome, RUN_ARCHIVE } from './retire-plan.js'
import {
  keepLeaves,
  leafSetOf,
  lockRetirement,
  readRetirements,
  type Retirement,
  type RetirementState,
  writeRetirement,
} from './retirement-state.js'

export interface RetireContext
  extends Omit<ArchiveContext, 'store'>,
    Pick<CarryContext, 'record' | 'recordStarts'> {
  /** Where an archive was put. */
  readonly storeAt: (place: string) => ArchiveStore
  /** Told what became of each partition, before the next one is begun: what is thrown later says nothing of those before. */
  readonly onOutcome: (outcome: RetireOutcome) => void
  /** How long to wait for transactions that are in the way, in ms. */
  readonly patienceMs: number
  /** What is not archived is retired, too: its rows are lost, and the trail says so. */
  readonly withoutArchive: boolean
}

/**
 * Retires every partition that lies wholly below an id, the oldest first, each by the steps of {@link RetirementState}. It may be
 * killed at whatever moment, here or on the server: it is run again, and goes on where it stopped.
 *
 * Nothing is dropped that is not in an archive: each row of the detached table is compared, byte by byte, with what is read from
 * where the archive was put; what came later is archived first, and proven.
 *
 * @throws AuditError `AUDIT_ARCHIVE`, `AUDIT_RETENTION`; those of the sessions and of `record`
 */
export async function retire(context: RetireContext, bound: bigint): Promise<readonly RetireOutcome[]> {
  const { databaseUrl, schema } = context
  const open = (): Promise<Connection> =>
    openSession('migrate', { databaseUrl, applicationName: 'otel-audit retire', readOnly: false })
  const lock = await open()
  try {
    await lock.run((client) => checkSchema(client, schema))
    await lockRetirement(lock, schema)
    const session = await open()
    try {
      return await new Retirer(context, session).below(bound)
    } finally {
      await session.close()
    }
  } finally {
    await lock.close()
  }
}

type Refusal = Omit<RetireOutcome, 'partition'>

class Retirer {
  readonly #context: RetireContext
  readonly #session: Connection
  /** By where they are: looked at once. */
  readonly #places = new Map<string, Promise<Place>>()

  constructor(context: RetireContext, session: Connection) {
    this.#context = context
    this.#session = session
  }

  async below(bound: bigint): Promise<readonly RetireOutcome[]> {
    const { schema } = this.#context
    const { begun, fresh } = await this.#session.run((client) => candidates(client, schema, bound))
    if (begun.length + fresh.length > 0) await carryNotes(this.#context, this.#session, bound)
    const outcomes: RetireOutcome[] = []
    const tell = (outcome: RetireOutcome): void => {
      outcomes.push(outcome)
      this.#context.onOutcome(outcome)
    }
    for (const retirement of begun) tell(await this.#retire(retirement))
    for (const one of fresh) {
      if (one.place !== null || this.#context.withoutArchive) tell(await this.#retire(one))
      else tell({ partition: one.name, outcome: 'not archived', detail: RUN_ARCHIVE })
    }
    await this.#retireBlocks()
    return outcomes
  }

  /** The blocks that only retired rows needed; where what was retired last is archived. */
  async #retireBlocks(): Promise<void> {
    const { schema } = this.#context
    const known = await this.#session.run((client) => readRetirements(client, schema))
    const last = known.findLast(({ state, place }) => state === 'retired' && place !== null)
    if (last === undefined) return
    const archives = async (): Promise<readonly ReadManifest[]> => (await this.#placeOf(last)).archives
    await retireBlocks({ ...this.#context, store: this.#storeOf(last) }, this.#session, archives)
  }

  async #retire(begun: Retirement): Promise<RetireOutcome> {
    let at = begun
    for (;;) {
      const next = await this.#step(at)
      if ('outcome' in next) return { partition: at.name, ...next }
      at = next
      if (at.state !== 'retired') continue
      const where = at.place === null ? 'without an archive' : `its ${at.rows} rows are in ${at.place}`
      return { partition: at.name, outcome: 'retired', detail: where }
    }
  }

  /** One move of the state, or why there is none. */
  #step(at: Retirement): Promise<Retirement | Refusal> {
    switch (at.state) {
      case 'archived':
        return this.#begin(at)
      case 'retiring':
        return this.#detach(at)
      case 'detached':
        return this.#drop(at)
      case 'dropped':
      case 'retired':
        return this.#finish(at)
    }
  }

  /** The row that says that rows may be gone is committed before any of them is. */
  async #begin(at: Retirement): Promise<Retirement | Refusal> {
    if (at.place !== null) await this.#archivesOf(at)
    const { schema } = this.#context
    const held = await this.#inTransaction(async () => {
      await this.#session.run((client) => lockHolds(client, schema))
      return this.#heldBy(at)
    })
    if (held !== undefined) return { outcome: 'held', detail: held }
    const inWay = await this.#inTheWay(at, false)
    if (inWay !== undefined) return inWay
    const rows = await this.#session.run((client) => countRows(client, schema, at.name))
    return this.#say('retiring', { ...at, rows: Math.max(rows, at.rows) }, 'retiring')
  }

  async #detach(at: Retirement): Promise<Retirement | Refusal> {
    const { schema, onLine } = this.#context
    for (let tries = 0; ; tries++) {
      const standing = await this.#session.run((client) => standingOf(client, schema, at.name))
      if (standing === 'gone') throw notThere(at)
      if (standing === 'apart') return this.#note({ ...at, state: 'detached' })
      const inWay = await this.#inTheWay(at, standing === 'pending')
      if (inWay !== undefined) return inWay
      onLine(`${at.name}: ${standing === 'pending' ? 'its detachment is finished' : 'detaching'}`)
      try {
        await this.#session.run((client) => detach(client, schema, at.name, standing))
      } catch (error) {
        // Another session may have been at it, of a run that was killed: then it has come further.
        if (this.#session.isBroken || tries >= MOST_TRIES) throw error
        const now = await this.#session.run((client) => standingOf(client, schema, at.name))
        if (now === standing) throw error
      }
    }
  }

  async #drop(at: Retirement): Promise<Retirement | Refusal> {
    let archived = at
    for (;;) {
      const next = await this.#inTransaction(() => this.#dropOrNot(archived))
      if (next === 'late rows') archived = await this.#archiveLate(archived)
      else if ('outcome' in next) return this.#putBack(archived, next)
      else return next
    }
  }

  /** Under locks that keep everybody from writing to the table, from attaching it, and from adding a hold. */
  async #dropOrNot(at: Retirement): Promise<Retirement | Refusal | 'late rows'> {
    const { schema } = this.#context
    const ask = <T>(work: (client: ClientBase) => Promise<T>): Promise<T> => this.#session.run(work)
    if ((await ask((client) => standingOf(client, schema, at.name))) === 'gone') throw notThere(at)
    await ask((client) => lockPartition(client, schema, at.name))
    const standing = await ask((client) => standingOf(client, schema, at.name))
    if (standing !== 'apart') return this.#note({ ...at, state: 'retiring' })
    if (at.place !== null && (await this.#hasLate(at))) return 'late rows'
    await ask((client) => lockHolds(client, schema))
    const held = await this.#heldBy(at)
    if (held !== undefined) return { outcome: 'held', detail: held }
    if (at.place === null) await this.#keepLeaves(at)
    const rows = await ask((client) => countRows(client, schema, at.name))
    const dropped: Retirement = { ...at, rows, state: 'dropped' }
    await ask((client) => dropTable(client, schema, at.name))
    return this.#note(dropped)
  }

  #finish(at: Retirement): Promise<Retirement> {
    return this.#say('retired', at, 'retired')
  }

  /** A hold has come: the rows are in the trail again. */
  async #putBack(at: Retirement, refusal: Refusal): Promise<Refusal> {
    const { schema } = this.#context
    await this.#session.run((client) => attachAgain(client, schema, at))
    await this.#say('kept', at, 'archived')
    return { ...refusal, detail: `${refusal.detail}; it was attached again` }
  }

  async #hasLate(at: Retirement): Promise<boolean> {
    const { databaseUrl, schema } = this.#context
    const archives = await this.#archivesOf(at)
    const store = this.#storeOf(at)
    const reader = await PartitionReader.open(databaseUrl, schema)
    try {
      let rows = 0
      for await (const batch of lateRows(reader.rows(at), store, archives)) rows += batch.length
      return rows > 0
    } finally {
      await reader.close()
    }
  }

  /** Of what is not archived: what an archive would have kept in the trail. */
  async #keepLeaves(at: Retirement): Promise<void> {
    const { databaseUrl, schema } = this.#context
    const reader = await PartitionReader.open(databaseUrl, schema)
    try {
      const straddling = new StraddlingBlocks(await reader.straddling(at), at)
      for await (const batch of reader.rows(at)) {
        const leaves = batch.flatMap((row) => leafOf(row, straddling, at.name) ?? [])
        if (leaves.length > 0) await this.#session.run((client) => keepLeaves(client, schema, leaves))
      }
    } finally {
      await reader.close()
    }
  }

  /** What came since to any month that the place has: the blocks of these rows come with the others. */
  async #archiveLate(at: Retirement): Promise<Retirement> {
    const { databaseUrl, schema } = this.#context
    const place = await this.#placeOf(at)
    const store = this.#storeOf(at)
    const context = { ...this.#context, store }
    const reader = await PartitionReader.open(databaseUrl, schema)
    try {
      await addLate(context, this.#session, place, reader)
    } finally {
      await reader.close()
    }
    const unproven = await unnamed(this.#session, schema, place.archives)
    const findings = await prove(context, place.archives, unproven)
    if (findings > 0 && !context.acceptFindings) {
      const folders = unproven.map(({ folder }) => folder).join(', ')
      throw archiveError(
        `${store.place}/${folders}: the rows do not verify, ${findings} findings; nothing was dropped`,
      )
    }
    await markLate(context, this.#session, place.archives, unproven)
    const its = archivesOf(at, place.archives)
    return { ...at, manifests: its.map(({ hash }) => hash), rows: rowsOf(its) }
  }

  /** The row of the trail first: what it says may be less than what is so, and never more. */
  async #say(state: RetentionState, at: Retirement, to: RetirementState): Promise<Retirement> {
    const { schema, log, signer, record } = this.#context
    const { name, from, rows } = at
    const manifests = at.manifests.slice(-MOST_NAMED)
    const { leaves, trail } = await this.#session.run(async (client) => ({
      leaves: await leafSetOf(client, schema, name),
      trail: (await readIdentity(client, schema)).trail,
    }))
    const time = Math.floor(wallClock() * 1000)
    const said = { log, trail, state, partition: name, from, to: at.to, rows, leaves, manifests, time }
    const note = signRetention(said, signer)
    await record(said, note)
    return this.#note({ ...at, state: to }, note)
  }

  async #note(at: Retirement, note?: string): Promise<Retirement> {
    await this.#session.run((client) => writeRetirement(client, this.#context.schema, at, note))
    return at
  }

  async #heldBy(at: Retirement): Promise<string | undefined> {
    const holds = await this.#session.run((client) => holdsOn(client, this.#context.schema, at))
    return holds.length === 0 ? undefined : heldText(holds)
  }

  async #inTheWay({ name }: Retirement, everywhere: boolean): Promise<Refusal | undefined> {
    const { schema, patienceMs } = this.#context
    const who = await inTheWay((work) => this.#session.run(work), schema, name, patienceMs, everywhere)
    return who === undefined ? undefined : { outcome: 'in the way', detail: who }
  }

  /** @throws AuditError `AUDIT_ARCHIVE` when one of them is not there */
  async #archivesOf(at: Retirement): Promise<readonly ReadManifest[]> {
    const { archives } = await this.#placeOf(at)
    checkThere(this.#storeOf(at), archives, [at])
    return at.manifests.map((hash) => {
      const found = archives.find((one) => one.hash === hash)
      if (found === undefined) {
        throw archiveError(`${at.place}: the archive of ${at.name} with the manifest ${hash} is not there`)
      }
      return found
    })
  }

  #placeOf(at: Retirement): Promise<Place> {
    const store = this.#storeOf(at)
    const known = this.#places.get(store.place) ?? openPlace({ ...this.#context, store }, this.#session)
    this.#places.set(store.place, known)
    return known
  }

  #storeOf({ name, place }: Retirement): ArchiveStore {
    if (place === null) throw archiveError(`${name} has no archive`)
    return this.#context.storeAt(place)
  }

  async #inTransaction<T>(work: () => Promise<T>): Promise<T> {
    await this.#session.run((client) => client.query('begin'))
    try {
      const done = await work()
      await this.#session.run((client) => client.query('commit'))
      return done
    } catch (error) {
      if (!this.#session.isBroken) await this.#session.run((client) => client.query('rollback'))
      throw error
    }
  }
}

/** Manifests that a signed row has room for: the newest. Each of them names the one before it. */
const MOST_NAMED = 24

/** How often a detachment is looked at again that another session may be at. */
const MOST_TRIES = 3
function notThere({ name }: Retirement): AuditError {
  return new AuditError(
    'AUDIT_RETENTION',
    `${name} was being retired, and its table is gone: somebody dropped it`,
    {
      remedy:
        'Verify the archive. If it is whole, say so in the trust file (a line rows-from), and remove the line of the partition from secret_audit_retirement.',
    },
  )
}
