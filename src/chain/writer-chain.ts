import {
  type Block,
  BLOCKS_PER_KEY,
  type ChainOpening,
  type ChainPosition,
  NO_PREVIOUS,
  rowLeaf,
  WITHOUT_ROWS,
} from './block.js'
import { type BlockColumns, sameColumns } from './block-columns.js'
import { identityText } from '../event/event.js'
import { newChain, nextKey } from './chain-key.js'
import { moved, type Moves } from '../host/invariant.js'
import { sameBytes } from './hash.js'
import { MerkleFrontier } from './merkle.js'
import type { NoteSigner } from './note-key.js'
import { type SignedBlock, signBlock } from './signed-block.js'

/** One row of a batch. */
export interface BatchRow {
  readonly event: { readonly auditId: bigint }
  /** SHA-256 of the event, 32 bytes. */
  readonly digest: Uint8Array
}

export interface WriterChainOptions {
  /** The log's name: what begins the names of its keys. */
  readonly log: string
  readonly service: string
  readonly instance: string
  readonly version: string
  /** The trail that it is written to: 32 lower-case hex digits. */
  readonly trail: string
  /** Of the server, where it is known. */
  readonly system?: string | undefined
  /** Also signs the genesis block: the chain is the operator's. */
  readonly enrolment?: NoteSigner | undefined
  /** Wall clock, µs since the Unix epoch. */
  readonly now: () => number
  /** How many events this writer has lost so far. */
  readonly lost: () => number
}

/** What a store has under a number that this chain wanted to use. */
export type Holder = 'ours' | 'foreign' | 'absent'

/** What the store has of a chain, compared with what it said it had. */
export type HeadCheck =
  | { readonly status: 'intact' }
  | { readonly status: 'foreign' }
  /** Blocks that the store had acknowledged are gone, with their rows. */
  | { readonly status: 'lost'; readonly first: number; readonly last: number; readonly rows: number }

/** Where the chain is with the block after its head. `closed` and `left`: no further block may follow. */
type State = 'settled' | 'prepared' | 'in flight' | 'in doubt' | 'closed' | 'left'

const MOVES: Moves<State> = {
  settled: ['prepared', 'left'],
  prepared: ['prepared', 'in flight', 'left'],
  'in flight': ['settled', 'in doubt', 'closed', 'left'],
  'in doubt': ['in flight', 'left'],
  closed: ['left'],
  left: [],
}

/**
 * The chain of one writer: makes its blocks, and knows which of them are stored. It sends nothing itself.
 *
 * ```
 *             prepare…            sending            acknowledged
 *   settled ───────────► prepared ───────► in flight ────────────► settled; closed, after a block that closes
 *      ▲                                    │  │  ▲
 *      └──────── refused, every time ───────┘  │  │ sending: the same bytes
 *                          unknown, or refused └─►in doubt
 *
 *   any of them ── successor ──► left
 * ```
 *
 * The rules of a writer that are kept here:
 * * one block is in flight at a time;
 * * a number of which any send is of unknown fate is never used for another block: {@link prepareRows} answers with the
 *   one that was sent, until it is decided;
 * * a block is built again under its number only when every send of it was refused. Otherwise the chain has to be left,
 *   which is always safe: {@link successor}.
 *
 * Keys are in memory only. JavaScript cannot erase one; it is no longer referenced once the next one has taken over.
 */
export class WriterChain {
  readonly id: string
  readonly #options: WriterChainOptions
  readonly #continues: ChainPosition | undefined
  #signer: NoteSigner
  /** Number of the block that brought in the current key. */
  #keyFrom = 0
  /** The newest block that the store has acknowledged. */
  #head: SignedBlock | undefined
  /** The block after it, while it is not settled. */
  #pending: { readonly signed: SignedBlock; readonly nextSigner: NoteSigner | undefined } | undefined
  #state: State = 'settled'
  #sends = 0
  #refusals = 0

  /** @param continues the chain that the same writer had to leave */
  constructor(options: WriterChainOptions, continues?: ChainPosition) {
    const { id, signer } = newChain(options.log)
    this.id = id
    this.#signer = signer
    this.#options = options
    this.#continues = continues
  }

  /** Verifier key of what enrols the chain. */
  get enrolmentKey(): string | undefined {
    return this.#options.enrolment?.verifierKey
  }

  /** The trail that it is written to. */
  get trail(): string {
    return this.#options.trail
  }

  /** The newest block that is known to be stored. */
  get head(): SignedBlock | undefined {
    return this.#head
  }

  /** The block whose fate is not known: it, and no other, is to be sent next. */
  get inDoubt(): SignedBlock | undefined {
    const isSent = this.#state === 'in flight' || this.#state === 'in doubt'
    return isSent ? this.#pending?.signed : undefined
  }

  /** A chain that ends here looks like that of a process that was killed. */
  get endsUnclean(): boolean {
    const kind = this.#head?.block.kind
    return kind !== undefined && kind !== 'idle' && kind !== 'close'
  }

  /** No further block may follow. */
  get isOver(): boolean {
    return this.#state === 'closed' || this.#state === 'left'
  }

  /** Whether these rows may be sent: while the fate of a block of rows is unknown, only its own. */
  takes(rows: readonly BatchRow[]): boolean {
    const doubtful = this.inDoubt
    return doubtful === undefined || doubtful.block.kind !== 'data' || this.#holds(doubtful, rows)
  }

  /**
   * What to send so that these rows get stored: their block, or one that has to go before it (genesis, a rotation, one
   * in doubt). Send that, say what became of it, and ask again.
   *
   * @param rows in ascending order of audit ids, at least one
   */
  prepareRows(rows: readonly BatchRow[]): SignedBlock {
    if (!this.takes(rows)) {
      throw new TypeError('other rows, while the fate of a block is unknown: it must be sent again first')
    }
    return this.inDoubt === undefined ? this.#prepare('data', rows) : this.#ready(this.inDoubt)
  }

  /**
   * Says that the writer is alive and had nothing to write (`idle`), or that nothing follows (`close`). As with
   * {@link prepareRows}, a rotation may have to go first.
   *
   * @returns undefined when there is nothing to end, or a block is in doubt
   */
  prepareEnd(kind: 'idle' | 'close'): SignedBlock | undefined {
    const canEnd = this.#head !== undefined && !this.isOver && this.inDoubt === undefined
    return canEnd ? this.#prepare(kind) : undefined
  }

  /** The prepared block goes out now. */
  sending(): void {
    this.#ready(this.#pending?.signed)
    this.#to('in flight')
    this.#sends++
  }

  /** The block that was sent is stored. */
  acknowledged(): void {
    const { signed, nextSigner } = this.#answered()
    if (signed.block.writer !== undefined) this.#keyFrom = signed.block.number
    if (nextSigner !== undefined) this.#signer = nextSigner
    this.#head = signed
    this.#settle(signed.block.kind === 'close' ? 'closed' : 'settled')
  }

  /**
   * The server answered ERROR: nothing of this send is stored.
   *
   * @returns whether the number is free again. If not, an earlier send may still be carried out: the same block has to
   *   be sent again, or the chain has to be left
   */
  refused(): boolean {
    this.#answered()
    this.#refusals++
    const isFree = this.#refusals === this.#sends
    if (isFree) this.#settle('settled')
    else this.#to('in doubt')
    return isFree
  }

  /** No answer: what was sent may be stored now, or later. */
  unknown(): void {
    this.#answered()
    this.#to('in doubt')
  }

  /** Whose block it is that the store has under the number of the one that was sent. */
  holderOf(stored: BlockColumns | undefined): Holder {
    if (stored === undefined) return 'absent'
    return isSame(stored, this.#pending?.signed) ? 'ours' : 'foreign'
  }

  /**
   * Compares the store with what it had acknowledged. After every reconnect: a server that was replaced by a replica
   * may have lost blocks.
   *
   * @param newest the two newest blocks that the store has of this chain, the newest first
   */
  checkHead(newest: readonly BlockColumns[]): HeadCheck {
    const [top, below] = newest
    const acknowledged = this.#head
    if (acknowledged === undefined) return intactIf(top === undefined || isSame(top, this.inDoubt))
    const { number, rowsTotal } = acknowledged.block
    if (top === undefined || top.blockNo < number) {
      const first = top === undefined ? 0 : Number(top.blockNo) + 1
      return { status: 'lost', first, last: number, rows: rowsTotal - Number(top?.rowTotal ?? 0) }
    }
    if (isSame(top, acknowledged)) return { status: 'intact' }
    return intactIf(isSame(top, this.inDoubt) && below !== undefined && isSame(below, acknowledged))
  }

  /**
   * Leaves this chain for good. What goes on is a new one, whose genesis names this one.
   *
   * @param lastKnown the last block that the store still has, when it has lost some. None: -1
   */
  successor(lastKnown = this.#head?.block.number ?? -1): WriterChain {
    this.#to('left')
    const continues = lastKnown < 0 ? this.#continues : { chain: this.id, block: lastKnown }
    return new WriterChain(this.#options, continues)
  }

  #prepare(kind: 'data' | 'idle' | 'close', rows: readonly BatchRow[] = []): SignedBlock {
    if (this.isOver) throw new TypeError('the chain is over')
    if (this.#state === 'in flight') throw new TypeError('a block is in flight')
    if (this.#head === undefined) return this.#prepared(this.#genesis(), this.#enrolledSigners())
    const number = this.#head.block.number + 1
    if (number - this.#keyFrom >= BLOCKS_PER_KEY) return this.#rotation(number)
    const block = this.#following(kind, number, kind === 'data' ? this.#contents(number, rows) : WITHOUT_ROWS)
    return this.#prepared(block, [this.#signer])
  }

  #prepared(block: Block, signers: readonly NoteSigner[], nextSigner?: NoteSigner): SignedBlock {
    const signed = signBlock(block, signers)
    this.#to('prepared')
    this.#pending = { signed, nextSigner }
    return signed
  }

  #genesis(): Block {
    const { log, service, instance, version, trail, system, now, lost } = this.#options
    const opening: ChainOpening = {
      // As the rows say it: a text that not every language reads alike would make an honest chain look forged.
      service: identityText('serviceName', service) ?? '',
      instance: identityText('serviceInstanceId', instance) ?? '',
      version,
      trail,
      system,
      continues: this.#continues,
    }
    return {
      log,
      chain: this.id,
      number: 0,
      kind: 'genesis',
      prev: NO_PREVIOUS,
      ...WITHOUT_ROWS,
      rowsTotal: 0,
      lost: lost(),
      time: now(),
      writer: this.#signer.verifierKey,
      opening,
    }
  }

  #enrolledSigners(): readonly NoteSigner[] {
    const { enrolment } = this.#options
    return enrolment === undefined ? [this.#signer] : [this.#signer, enrolment]
  }

  /** Signed by the key that leaves and by the one that comes. */
  #rotation(number: number): SignedBlock {
    const next = nextKey(this.#options.log, this.id)
    const block = { ...this.#following('rotate', number, WITHOUT_ROWS), writer: next.verifierKey }
    return this.#prepared(block, [this.#signer, next], next)
  }

  #following(kind: Block['kind'], number: number, contents: Pick<Block, 'ids' | 'rows' | 'root'>): Block {
    const head = this.#head
    if (head === undefined) throw new TypeError('nothing comes before genesis')
    const { log, now, lost } = this.#options
    return {
      log,
      chain: this.id,
      number,
      kind,
      prev: head.hash,
      ...contents,
      rowsTotal: head.block.rowsTotal + contents.rows,
      lost: Math.max(head.block.lost, lost()),
      // A clock may step back; a chain does not.
      time: Math.max(head.block.time, now()),
      writer: undefined,
      opening: undefined,
    }
  }

  #contents(number: number, rows: readonly BatchRow[]): Pick<Block, 'ids' | 'rows' | 'root'> {
    const first = rows[0]?.event.auditId
    const last = rows.at(-1)?.event.auditId
    if (first === undefined || last === undefined) throw new TypeError('a data block has rows')
    const tree = new MerkleFrontier()
    for (const [index, { digest }] of rows.entries()) tree.add(rowLeaf(this.id, number, index, digest))
    return { ids: { first, last }, rows: rows.length, root: tree.root }
  }

  #holds({ block }: SignedBlock, rows: readonly BatchRow[]): boolean {
    const { ids, root } = this.#contents(block.number, rows)
    return ids?.first === block.ids?.first && ids?.last === block.ids?.last && sameBytes(root, block.root)
  }

  #ready(signed: SignedBlock | undefined): SignedBlock {
    if (signed === undefined) throw new TypeError('nothing has been prepared')
    if (this.#state === 'in flight') throw new TypeError('a block is in flight')
    if (this.isOver) throw new TypeError('the chain is over')
    return signed
  }

  #answered(): { readonly signed: SignedBlock; readonly nextSigner: NoteSigner | undefined } {
    if (this.#state !== 'in flight' || this.#pending === undefined)
      throw new TypeError('nothing is in flight')
    return this.#pending
  }

  #settle(next: 'settled' | 'closed'): void {
    this.#to(next)
    this.#pending = undefined
    this.#sends = 0
    this.#refusals = 0
  }

  #to(next: State): void {
    this.#state = moved('a chain', MOVES, this.#state, next)
  }
}

function isSame(stored: BlockColumns, signed: SignedBlock | undefined): boolean {
  return signed !== undefined && sameColumns(stored, signed.columns)
}

function intactIf(condition: boolean): HeadCheck {
  return { status: condition ? 'intact' : 'foreign' }
}
