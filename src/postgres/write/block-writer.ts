import type { SignedBlock } from '../../chain/signed-block.js'
import type { WriterChain } from '../../chain/writer-chain.js'
import { INT8_MAX } from '../../event/int8.js'
import { snowflakeTime } from '../../event/snowflake.js'
import { diag, guardedCall } from '../../host/diagnostics.js'
import type { AuditBatch, BatchEntry, SinkOwner, WriteResult } from '../../contract/sink.js'
import type { AppendStatements } from './append.js'
import { type Connection, NoAnswer, type ServerWarning, SYNC_REP_ROUTINE } from '../connection.js'
import {
  endsSession,
  fault,
  isHeldBlock,
  isLasting,
  isMissingPartition,
  isServerError,
  isUnproven,
  verdictOf,
} from '../faults.js'
import type { StoreGuard } from '../store/guard.js'
import { BadAnswer } from '../wire.js'
import { foundDigests, type Patience, storedAlike, storedElsewhere } from './already-stored.js'
import { type PartitionKeeper, serverTime, type Unstored } from './partition-keeper.js'

/**
 * What became of one block: stored; not, and the batch ends with `result`; not, and the batch is to be tried again (the
 * chain has been left, a partition is missing, or the store is not what it was when it was checked).
 */
type Sent =
  | { readonly status: 'stored'; readonly committedAt: number }
  | { readonly status: 'ended'; readonly result: Unstored }
  | { readonly status: 'again'; readonly missing?: 'partition' | 'proof' }

type ServerFault = Parameters<typeof verdictOf>[0]

/**
 * Gets batches stored as blocks of the writer's chain, each with its rows in one statement.
 *
 * What may be sent is for the chain to say; what an answer of the server means is decided here:
 * stored → acknowledged · no answer → the chain is in doubt · ERROR → the block is looked up: ours → acknowledged;
 * somebody else's → a new chain; not there → the number is free, or the chain is left because an earlier send of the
 * block may still be carried out.
 */
export class BlockWriter {
  readonly #sql: AppendStatements
  readonly #partitions: PartitionKeeper
  readonly #guard: StoreGuard
  readonly #writer: SinkOwner | undefined
  #chain: WriterChain
  /** SQLSTATEs of warnings that were logged: an extension may send one with each statement. */
  readonly #warned = new Set<string>()
  readonly #patience: Patience = { timeOuts: 0 }

  constructor(
    sql: AppendStatements,
    partitions: PartitionKeeper,
    guard: StoreGuard,
    chain: WriterChain,
    writer: SinkOwner | undefined,
  ) {
    this.#sql = sql
    this.#partitions = partitions
    this.#guard = guard
    this.#chain = chain
    this.#writer = writer
  }

  /** Whether a verifier would take the chain, as it ends now, for that of a process that was killed. */
  get endsUnclean(): boolean {
    return this.#chain.endsUnclean
  }

  /** Stores a batch, with whatever block has to go before it. */
  async store(connection: Connection, batch: AuditBatch): Promise<WriteResult> {
    const held = await this.#heldElsewhere(connection, batch)
    if (held !== undefined) return held
    let mayAdd = true
    let mayDiffer = true
    for (;;) {
      if (!this.#chain.takes(batch.entries))
        this.#leave('other rows follow while the fate of a block is unknown')
      const signed = this.#chain.prepareRows(batch.entries)
      const { log, chain, number: block, kind } = signed.block
      const sent = await this.#send(connection, signed, kind === 'data' ? batch.entries : [], mayAdd)
      if (sent.status === 'ended') return kind === 'data' ? sent.result : unsent(sent.result)
      if (sent.status === 'stored' && kind === 'data') {
        return { status: 'committed', committedAt: sent.committedAt, place: { log, chain, block } }
      }
      if (sent.status === 'again' && sent.missing === 'proof') {
        const refusal = await this.#refusal(mayDiffer)
        if (refusal !== undefined) return this.#notSent(refusal)
        mayDiffer = false
      }
      if (sent.status === 'again' && sent.missing === 'partition') {
        mayAdd = false
        const failed = await this.#partitions.addFor(connection, batch)
        if (failed !== undefined) return this.#notSent(failed)
      }
    }
  }

  /** Before a batch is sent for the first time: events that an earlier send stored under an id of another time. */
  async #heldElsewhere(connection: Connection, { entries }: AuditBatch): Promise<Unstored | undefined> {
    const replayed = entries.filter(({ mayBeStored }) => mayBeStored === true)
    if (replayed.length === 0 || this.#chain.inDoubt !== undefined) return undefined
    try {
      const held = await storedElsewhere(connection, this.#sql, replayed, this.#chain, this.#patience)
      if (held.size === 0) return undefined
      return (await this.#unconfirmed(connection)) ?? { status: 'conflict', held }
    } catch (error) {
      const why = fault('AUDIT_UNAVAILABLE', 'what is stored cannot be looked up', error)
      return { status: 'failed', lasting: isLasting(error), fault: why }
    }
  }

  /** The batch could not be proven to be stored as it was sent. @returns why it is not worth another try at once */
  async #refusal(mayDiffer: boolean): Promise<Unstored | undefined> {
    const why = await this.#guard.checkNow()
    if (why !== undefined) return { status: 'failed', lasting: true, fault: why }
    return mayDiffer ? undefined : NOT_AS_SENT
  }

  /** The batch cannot be stored as things are. An earlier send of it may have been. */
  #notSent(failed: Unstored): Unstored {
    if (this.#chain.inDoubt === undefined) return failed
    if (failed.status === 'failed') return { status: 'unknown', fault: failed.fault }
    this.#leave('a block of unknown fate is refused')
    return failed
  }

  /** Ends a quiet period, or the chain. @returns whether the chain ends in such a block now */
  async end(connection: Connection, kind: 'idle' | 'close', longestMs?: number): Promise<boolean> {
    for (;;) {
      const signed = this.#chain.prepareEnd(kind)
      if (signed === undefined) return !this.endsUnclean
      const sent = await this.#send(connection, signed, [], false, longestMs)
      if (sent.status === 'ended') return false
      if (sent.status === 'again' && sent.missing === 'proof') return false
      if (sent.status === 'stored' && signed.block.kind === kind) return true
    }
  }

  /**
   * Compares the store with what it had acknowledged, on a new connection: it may be another server.
   *
   * @throws what the connection throws
   */
  async checkHead(connection: Connection): Promise<void> {
    const { head, inDoubt, id } = this.#chain
    if (head === undefined && inDoubt === undefined) return
    const newest = await connection.run((client) => this.#sql.newestBlocks(client, id, LAST_BLOCK))
    const check = this.#chain.checkHead(newest.map(({ columns }) => columns))
    if (check.status === 'intact') return
    if (check.status === 'foreign') return this.#leave('the store has a block of this chain that is not ours')
    const { first, last, rows } = check
    this.#leave(`the store has lost blocks ${first} to ${last}, which it had acknowledged`, first - 1)
    guardedCall('the listener of lost blocks', () =>
      this.#writer?.onLostBlocks({ chain: id, firstBlock: first, lastBlock: last, rows }),
    )
  }

  async #send(
    connection: Connection,
    signed: SignedBlock,
    entries: readonly BatchEntry[],
    mayAdd: boolean,
    longestMs?: number,
  ): Promise<Sent> {
    // What came with a log-in, or with a statement that failed, says nothing about this one.
    connection.takeWarnings()
    this.#chain.sending()
    try {
      const committedAt = await connection.run(
        (_, wire) => this.#sql.append(wire, signed.columns, entries, this.#guard.demandsOf(entries)),
        longestMs,
      )
      const unconfirmed = this.#unconfirmedBy(connection)
      if (unconfirmed !== undefined) return this.#unknown(unconfirmed)
      return this.#stored(signed, entries, committedAt)
    } catch (error) {
      if (!isServerError(error) || endsSession(error) || verdictOf(error) === 'unknown') {
        const doubt = doubtBy(error)
        const unconfirmed = this.#unconfirmedBy(connection)
        return this.#unknown(
          unconfirmed ?? {
            status: 'unknown',
            fault: fault('AUDIT_TIMEOUT', `${doubt} after the rows were sent`, error),
          },
        )
      }
      if (isUnproven(error)) {
        this.#chain.refused()
        return { status: 'again', missing: 'proof' }
      }
      if (mayAdd && isMissingPartition(error)) {
        this.#chain.refused()
        return { status: 'again', missing: 'partition' }
      }
      return this.#refused(connection, signed, entries, error)
    }
  }

  /** The server answered ERROR, so nothing of this send is stored. An earlier one may have been. */
  async #refused(
    connection: Connection,
    signed: SignedBlock,
    entries: readonly BatchEntry[],
    error: ServerFault,
  ): Promise<Sent> {
    const verdict = verdictOf(error)
    if (verdict !== 'duplicate' && verdict !== 'data') {
      const why = fault('AUDIT_UNAVAILABLE', 'the database refuses to write', error)
      const isFree = this.#chain.refused()
      // Whoever it is may keep it open for ever; the next chain has a name that nobody knows yet.
      if (isFree && isHeldBlock(error)) this.#leave('somebody keeps its next block in an open transaction')
      const result: Unstored = isFree
        ? { status: 'failed', lasting: verdict === 'lasting', fault: why }
        : { status: 'unknown', fault: why }
      return { status: 'ended', result }
    }
    try {
      const { chain, number } = signed.block
      const [newest] = await connection.run((client) => this.#sql.newestBlocks(client, chain, BigInt(number)))
      const holder = newest?.columns.blockNo === BigInt(number) ? newest : undefined
      switch (this.#chain.holderOf(holder?.columns)) {
        case 'ours': {
          const doubt = await this.#unconfirmed(connection)
          return doubt === undefined
            ? this.#stored(signed, entries, holder?.recordedAt ?? 0)
            : this.#unknown(doubt)
        }
        case 'foreign':
          this.#leave(`block ${number} of this chain belongs to another writer`)
          return { status: 'again' }
        case 'absent':
          return await this.#rowsRefused(connection, entries, verdict, error)
      }
    } catch (lookupError) {
      // Whose rows those are is not known: perhaps this batch's own, from an earlier send.
      const why = fault('AUDIT_TIMEOUT', 'refused, and what is stored is not known', lookupError)
      return this.#unknown({ status: 'unknown', fault: why })
    }
  }

  /** No block is stored under the number, so it is a row that the database refuses. */
  async #rowsRefused(
    connection: Connection,
    entries: readonly BatchEntry[],
    verdict: 'duplicate' | 'data',
    error: ServerFault,
  ): Promise<Sent> {
    const ids = entries.map(({ event }) => event.auditId)
    const held = await foundDigests(connection, this.#sql, ids, this.#chain, this.#patience)
    const same = await storedAlike(connection, this.#sql, entries, held)
    const doubt = held.size > 0 ? await this.#unconfirmed(connection) : undefined
    if (doubt !== undefined) return this.#unknown(doubt)
    // The rows of an earlier send are as refused as those of this one. Its block is not: nobody saw the answer.
    if (!this.#chain.refused()) this.#leave('a block of unknown fate is refused')
    if (entries.length === 0) {
      const why = fault('AUDIT_UNAVAILABLE', 'the database refuses a block', error)
      return { status: 'ended', result: { status: 'failed', lasting: true, fault: why } }
    }
    if (verdict === 'duplicate' || held.size > 0) {
      return { status: 'ended', result: { status: 'conflict', held, ...(same.size > 0 && { same }) } }
    }
    const why = fault('AUDIT_REJECTED', 'the database refuses the row', error)
    const now = await serverTime(connection)
    const newest = entries.at(-1)?.event.auditId ?? 0n
    const misdatedAt = now !== undefined && snowflakeTime(newest) > now + DAY_MS ? now : undefined
    return { status: 'ended', result: { status: 'refused', fault: why, misdatedAt } }
  }

  /** What is found is not yet what was asked for: its commit may still wait for the standby. @returns why not */
  async #unconfirmed(connection: Connection): Promise<Unstored | undefined> {
    connection.takeWarnings()
    await connection.run((client) => this.#sql.confirm(client))
    return this.#unconfirmedBy(connection)
  }

  /**
   * A commit whose wait for the standby was given up is not the commit that was asked for. Other warnings, of extensions
   * or of an owner's triggers, say nothing about it.
   */
  #unconfirmedBy(connection: Connection): Unstored | undefined {
    const warnings = connection.takeWarnings()
    const unconfirmed = warnings.find(({ routine }) => routine === SYNC_REP_ROUTINE)
    for (const warning of warnings) this.#warn(warning)
    if (unconfirmed === undefined) return undefined
    const message = `the commit came with a warning: ${unconfirmed.message}`
    return { status: 'unknown', fault: { code: 'AUDIT_UNCONFIRMED', message } }
  }

  /** Once: the text may quote a row. */
  #warn({ code, routine }: ServerWarning): void {
    if (routine === SYNC_REP_ROUTINE || code === STANDS_ALONE || this.#warned.has(code)) return
    this.#warned.add(code)
    diag.warn(
      `otel-audit: the database sends a warning (SQLSTATE ${code}) with the commits of this writer; they count, and it is not logged again`,
    )
  }

  #stored(signed: SignedBlock, entries: readonly BatchEntry[], committedAt: number): Sent {
    this.#chain.acknowledged()
    const { hash, note, block } = signed
    const { log, chain, number, kind } = block
    guardedCall('the listener of committed blocks', () =>
      this.#writer?.onBlock({ log, chain, block: number, kind, hash, note, entries }),
    )
    return { status: 'stored', committedAt }
  }

  #unknown(result: Unstored): Sent {
    this.#chain.unknown()
    return { status: 'ended', result }
  }

  /** Always safe: the ids of the rows see to it that none is stored twice. */
  #leave(reason: string, lastKnown?: number): void {
    const { id } = this.#chain
    this.#chain = this.#chain.successor(lastKnown)
    diag.error(`otel-audit: ${reason}; chain ${id} is abandoned, and continued as ${this.#chain.id}`)
  }
}

const LAST_BLOCK = INT8_MAX
/** The trail takes no id that is further ahead. */
const DAY_MS = 86_400_000

/** And the full check found nothing that would explain it. */
const NOT_AS_SENT: Unstored = {
  status: 'failed',
  lasting: true,
  fault: {
    code: 'AUDIT_UNAVAILABLE',
    message: 'the store does not keep rows as they are sent, or is being changed; run otel-audit doctor',
  },
}

/** The block that had to go first is not stored, or not known to be: the batch itself was not sent. */
function unsent(result: Unstored): Unstored {
  if (result.status !== 'unknown') return result
  return { status: 'failed', lasting: false, fault: { ...result.fault, code: 'AUDIT_UNAVAILABLE' } }
}

/** Of `set constraints` behind other statements, by servers before 18: it works all the same. */
const STANDS_ALONE = '25P01'

function doubtBy(error: unknown): string {
  if (error instanceof NoAnswer) return 'the database did not answer'
  if (error instanceof BadAnswer) return 'the database answered what cannot be understood'
  const isTold = isServerError(error) && !endsSession(error)
  return isTold ? 'the database lost track of it' : 'the connection was lost'
}
