import { AuditError } from '../errors.js'
import {
  type Block,
  blockHash,
  BLOCKS_PER_KEY,
  chainIdOf,
  type ChainPosition,
  isKeyOverdue,
} from '../chain/block.js'
import { type BlockColumns, textOfColumns } from '../chain/block-columns.js'
import { parseBlock } from '../chain/block-parse.js'
import { sameBytes } from '../chain/hash.js'
import { VerifierKey } from '../chain/note-key.js'
import { BlockDoubts } from './block-doubts.js'
import { ChainStanding, type Standing } from './chain-standing.js'
import type { FindingCode, FindingLog } from './finding.js'
import { signatureProblem } from './genesis.js'
import type { PinnedBlock, Trust } from './trust.js'

/** How a chain ends. */
export type ChainEnd = 'closed' | 'idle' | 'open'

/** What is known of a chain after its walk. */
export interface ChainSummary extends Standing {
  readonly chain: string
  readonly log: string | undefined
  readonly service: string | undefined
  readonly instance: string | undefined
  readonly blocks: number
  readonly rows: number
  readonly lost: number
  readonly lastBlock: number
  /** µs since the Unix epoch, of the last block. */
  readonly lastTime: number
  readonly end: ChainEnd
  /** What its genesis block says, where that is proven. */
  readonly trail: string | undefined
  readonly system: string | undefined
  readonly continues: ChainPosition | undefined
  /** The last block that is proven. */
  readonly head: { readonly block: number; readonly hash: Uint8Array } | undefined
  /** Blocks that nothing has proven. */
  readonly doubts: BlockDoubts
}

/**
 * Walks one chain from its genesis, as a reader would who trusts no column of it: each block is rebuilt as text, read
 * strictly, held against the key that is current there, and against the block before it.
 */
export class ChainWalk {
  readonly #chain: string
  readonly #trust: Trust
  readonly #findings: FindingLog
  #key: VerifierKey | undefined
  /** Number of the block that brought it in. */
  #keyFrom = 0
  #keyIsOverdue = false
  #keyIsLost = false
  #genesis: Block | undefined
  readonly #standing: ChainStanding
  #newest: Block | undefined
  /** The block before, when it is signed and the next one follows it. */
  #last: Block | undefined
  #lastNumber = -1
  /** SHA-256 of the last block's text; undefined when that block proves nothing about the next. */
  #lastHash: Uint8Array | undefined
  /** SHA-256 of the text of the last block, signed or not. */
  #lastText: Uint8Array | undefined
  /** The blocks before the next that are not signed, each of which names the one before. */
  #unsigned: number[] = []
  readonly #doubts = new BlockDoubts()
  #head: ChainSummary['head']
  #keyIsForeign = false
  #closed = false
  #blocks = 0
  #rows = 0
  #lost = 0
  /** The genesis block is signed by its own key. */
  #isOpened = false

  /** @param heads blocks of this chain that the trust file pins */
  constructor(chain: string, trust: Trust, findings: FindingLog, heads: readonly PinnedBlock[] = []) {
    this.#chain = chain
    this.#trust = trust
    this.#findings = findings
    this.#standing = new ChainStanding(chain, trust, findings, heads)
  }

  /** @returns the block, when it is one, and the hash of its text */
  add(columns: BlockColumns): { readonly block: Block | undefined; readonly hash: Buffer } {
    const number = Number(columns.blockNo)
    // Any other is no number of a block: it has no place in the chain, and nothing can be missing before it.
    if (columns.blockNo >= 0n && columns.blockNo < 2n ** 53n) this.#checkNumber(number)
    const text = textOfColumns(columns)
    const block = this.#parsed(text, number)
    const hash = blockHash(text)
    this.#standing.see(number, block, hash)
    this.#blocks++
    if (this.#closed) this.#find('block-after-close', number, 'the chain was closed before')
    if (block === undefined) {
      this.#doubts.addUnusable(number)
      this.#forget()
      return { block, hash }
    }
    if (block.kind === 'genesis') this.#begin(block, text, columns.signatures)
    const isSigned = this.#checkSignature(block, text, columns.signatures)
    this.#checkLog(block)
    this.#rows += block.rows
    this.#newest = block
    // What is not signed may say anything: neither it nor the next block is held against the other.
    if (isSigned) this.#checkAgainstLast(block)
    if (isSigned) this.#lost = Math.max(this.#lost, block.lost)
    if (isSigned && block.kind === 'genesis') this.#isOpened = true
    this.#last = isSigned ? block : undefined
    this.#lastHash = isSigned ? hash : undefined
    const isProven = isSigned && !this.#keyIsForeign && !this.#keyIsOverdue
    this.#noteDoubts(block, isProven)
    if (isProven) this.#head = { block: number, hash }
    this.#lastText = hash
    if (block.kind === 'close' && isSigned) this.#closed = true
    return { block, hash }
  }

  end(): ChainSummary {
    const last = this.#newest
    this.#doubtUnsigned()
    this.#doubts.end(this.#lastNumber)
    // What nobody has signed does not say of which trail the rest is.
    const isBegun = this.#genesis !== undefined && this.#doubts.isProven(0)
    const standing = this.#standing.end(isBegun)
    if (!isBegun || standing.foreign) this.#doubts.addAllFrom(0)
    return {
      chain: this.#chain,
      log: this.#genesis?.log ?? last?.log,
      // What nobody has signed is not known.
      service: this.#isOpened ? this.#genesis?.opening?.service : undefined,
      instance: this.#isOpened ? this.#genesis?.opening?.instance : undefined,
      blocks: this.#blocks,
      rows: this.#rows,
      lost: this.#lost,
      lastBlock: this.#lastNumber,
      lastTime: last?.time ?? 0,
      end: this.#closed ? 'closed' : last?.kind === 'idle' ? 'idle' : 'open',
      ...standing,
      trail: isBegun ? this.#genesis?.opening?.trail : undefined,
      system: isBegun ? this.#genesis?.opening?.system : undefined,
      continues: this.#genesis?.opening?.continues,
      head: isBegun && !standing.foreign ? this.#head : undefined,
      doubts: this.#doubts,
    }
  }

  #checkNumber(number: number): void {
    const expected = this.#lastNumber + 1
    if (number > expected) {
      const range =
        number - 1 === expected ? `block ${expected} is` : `blocks ${expected} to ${number - 1} are`
      this.#find('block-missing', expected, `${range} missing`)
      this.#doubts.addGap(expected, number - 1)
      this.#forget()
      // A rotation may be among them.
      this.#keyIsLost = true
    } else if (number < expected) {
      this.#find('block-repeated', number, `block ${number} is there more than once`)
      this.#doubts.addUnusable(number)
      this.#forget()
    }
    this.#lastNumber = Math.max(this.#lastNumber, number)
  }

  /** What comes next has nothing to be held against. */
  #forget(): void {
    this.#last = undefined
    this.#lastHash = undefined
    this.#lastText = undefined
    this.#doubtUnsigned()
  }

  /** A block that is proven proves those before it, as far as each names the one before. */
  #noteDoubts({ number, prev }: Block, isProven: boolean): void {
    const isLinked = this.#lastText !== undefined && sameBytes(prev, this.#lastText)
    if (!isLinked) this.#doubtUnsigned()
    if (isProven) this.#unsigned = []
    else if (this.#key === undefined) this.#doubts.addAllFrom(number)
    else this.#unsigned.push(number)
  }

  #doubtUnsigned(): void {
    for (const number of this.#unsigned) this.#doubts.addUnproven(number)
    this.#unsigned = []
  }

  #parsed(text: string, number: number): Block | undefined {
    try {
      return parseBlock(text)
    } catch (error) {
      this.#find('block-malformed', number, reasonOf(error))
      return undefined
    }
  }

  #begin(block: Block, text: string, signatures: string): void {
    const key = VerifierKey.parse(block.writer ?? '')
    if (chainIdOf(key.publicKey) !== this.#chain) {
      this.#keyIsForeign = true
      this.#find('chain-id', 0, 'the id is not that of the key in the genesis block')
    }
    this.#genesis = block
    this.#key = key
    this.#standing.begin(block, text, signatures)
  }

  #checkSignature(block: Block, text: string, signatures: string): boolean {
    const { number, kind, writer } = block
    if (this.#key === undefined) {
      // Said once, with what is missing before.
      return false
    }
    const problem = signatureProblem(text, signatures, [this.#key])
    if (problem !== undefined) {
      const isKnown = this.#keyIsLost
      if (isKnown) this.#key = undefined
      const hint = isKnown
        ? '; a rotation may be among the missing blocks: no later block can be verified'
        : ''
      this.#find('block-signature', number, `${problem}${hint}`)
      return false
    }
    this.#keyIsLost = false
    this.#checkKeyAge(block)
    if (kind !== 'rotate') return true
    const next = VerifierKey.parse(writer ?? '')
    const nextProblem = signatureProblem(text, signatures, [next])
    if (nextProblem !== undefined) this.#find('block-signature', number, `the new key: ${nextProblem}`)
    this.#key = next
    this.#keyFrom = number
    this.#keyIsOverdue = false
    return nextProblem === undefined
  }

  /** Said once for each key. */
  #checkKeyAge(block: Block): void {
    if (this.#keyIsOverdue || !isKeyOverdue(block, this.#keyFrom)) return
    this.#keyIsOverdue = true
    const limit = `a key signs for ${BLOCKS_PER_KEY} blocks at most`
    this.#find('block-signature', block.number, `the key of block ${this.#keyFrom} has signed it: ${limit}`)
  }

  #checkLog({ log, number }: Block): void {
    const expected = this.#trust.origin ?? this.#genesis?.log ?? log
    if (log !== expected) this.#find('chain-origin', number, `the block is of log ${log}, not of ${expected}`)
  }

  #checkAgainstLast(block: Block): void {
    const last = this.#last
    if (this.#lastHash !== undefined && !sameBytes(block.prev, this.#lastHash)) {
      this.#find('block-prev', block.number, `it does not name block ${block.number - 1} as it is`)
    }
    if (last === undefined) return
    const problems = [
      block.rowsTotal === last.rowsTotal + block.rows ? '' : 'rows',
      block.lost >= last.lost ? '' : 'losses',
      block.time >= last.time ? '' : 'time',
    ].filter(Boolean)
    if (problems.length > 0) {
      const what = problems.join(', ')
      this.#find('block-counters', block.number, `${what} do not follow from block ${last.number}`)
    }
  }

  #find(code: FindingCode, block: number, detail: string): void {
    this.#findings.add(code, detail, { chain: this.#chain, block })
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof AuditError)) throw error
  return error.reason
}
