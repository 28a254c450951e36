import { AuditError } from '../errors.js'
import { type Block, blockHash, type ChainPosition } from '../chain/block.js'
import { type BlockColumns, textOfColumns } from '../chain/block-columns.js'
import { parseBlock } from '../chain/block-parse.js'
import { sameBytes } from '../chain/hash.js'
import { BlockDoubts } from './block-doubts.js'
import type { ChainPoint } from './chain-point.js'
import type { ChainStart } from './chain-start.js'
import { ChainStanding, type KnownOfChain, type Standing } from './chain-standing.js'
import { CurrentKey } from './current-key.js'
import type { FindingCode, FindingLog } from './finding.js'
import { brokenCounters, LinkedRun, type ReadBlock } from './linked-run.js'
import type { SignatureChecks } from './signature-checks.js'
import type { Trust } from './trust.js'

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
  /** Where the walk can go on. Undefined: its last block is not proven, or not of this trail. */
  readonly point: ChainPoint | undefined
}

/** What is told of a chain. */
export type ChainReport = Omit<ChainSummary, 'doubts' | 'point'>

/** What the next block is held against. */
type LastBlock = ChainPoint['last']

/** Longest text and signatures, together, of a block that waits for the end of its run: those of ours are shorter. */
const LONGEST_WAITING = 4096

/**
 * Walks one chain from its genesis, as a reader would who trusts no column of it: each block is rebuilt as text, read
 * strictly, held against the key that is current there, and against the block before it.
 *
 * A block that is as the one before it lets expect, and names it, waits for the end of the run: see {@link LinkedRun}.
 * Genesis, rotate and close, and the blocks on both sides of a finding, are held against the key at once.
 */
export class ChainWalk {
  readonly #chain: string
  readonly #trust: Trust
  readonly #findings: FindingLog
  readonly #key: CurrentKey
  #genesis: Pick<Block, 'log' | 'opening'> | undefined
  readonly #standing: ChainStanding
  #newest: (LastBlock & { readonly log: string }) | undefined
  /** The block before, when it is signed and the next one follows it. */
  #last: LastBlock | undefined
  #lastNumber = -1
  /** SHA-256 of the last block's text; undefined when that block proves nothing about the next. */
  #lastHash: Uint8Array | undefined
  /** SHA-256 of the text of the last block, signed or not. */
  #lastText: Uint8Array | undefined
  /** The blocks before the next that are not signed, each of which names the one before. */
  #unsigned: number[] = []
  readonly #doubts = new BlockDoubts()
  #head: ChainSummary['head']
  #closed = false
  #blocks = 0
  #rows = 0
  #lost = 0
  /** The genesis block is signed by its own key. */
  #isOpened = false
  readonly #checks: SignatureChecks
  readonly #run: LinkedRun
  /** The last block that came, where the next one may join its run. */
  #tail: Pick<ReadBlock, 'block' | 'hash'> | undefined
  /** How many findings there were when it had come. */
  #quietAt = 0
  /** Where it begins, as long as the walk has not come there. */
  #start: ChainStart | undefined
  /** It begins behind a block that was walked before: the key there is known without its block. */
  readonly #isResumed: boolean
  /** SHA-256 of the text of the last block that brought in a key. */
  #keyHash: Uint8Array | undefined

  /** @param known with a start, only genesis and rotations are looked for up to there */
  constructor(
    chain: string,
    trust: Trust,
    findings: FindingLog,
    checks: SignatureChecks,
    known: KnownOfChain = {},
  ) {
    this.#start = known.start
    this.#isResumed = known.from !== undefined
    this.#chain = chain
    this.#trust = trust
    this.#findings = findings
    this.#checks = checks
    this.#key = new CurrentKey(chain, findings, checks)
    this.#run = new LinkedRun(chain, checks)
    this.#standing = new ChainStanding(chain, trust, findings, known)
    if (known.from !== undefined) this.#resume(known.from)
  }

  #resume({ last, hash, key, keyFrom, log, opening }: ChainPoint): void {
    this.#key.resume(key, keyFrom)
    this.#genesis = { log, opening }
    this.#isOpened = true
    this.#newest = { ...last, log }
    this.#last = last
    this.#lastNumber = last.number
    this.#lastHash = hash
    this.#lastText = hash
    this.#head = { block: last.number, hash }
    this.#closed = last.kind === 'close'
    this.#blocks = last.number + 1
    this.#rows = last.rowsTotal
    this.#lost = last.lost
  }

  /** Whether genesis has come by, or was before. Without it nothing can be left out. */
  get isBegun(): boolean {
    return this.#genesis !== undefined
  }

  /**
   * Blocks up to that one are left out, and are not looked for: what comes next is held against the key alone. It is for
   * who knows that no rotation is among them.
   */
  skipTo(number: number): void {
    if (number <= this.#lastNumber + 1) return
    this.#endRun()
    this.#tail = undefined
    this.#doubts.addGap(this.#lastNumber + 1, number - 1)
    this.#forget()
    this.#lastNumber = number - 1
  }

  /** @returns the block, when it is one, and the hash of its text */
  add(columns: BlockColumns): { readonly block: Block | undefined; readonly hash: Buffer } {
    const text = textOfColumns(columns)
    const block = parsed(text)
    const hash = blockHash(text)
    if (this.#start !== undefined) {
      // It goes at any time.
      if (this.#isRetired(columns)) return { block: block instanceof AuditError ? undefined : block, hash }
      if (columns.blockNo > BigInt(this.#start.block)) this.#begin(this.#start)
    }
    this.#checks.see()
    if (block instanceof AuditError) {
      this.#addUnusable(columns, hash, block.reason)
      return { block: undefined, hash }
    }
    const read = { block, text, hash, signatures: columns.signatures }
    if (this.#joins(read)) {
      this.#run.add(read)
      this.#lastNumber = block.number
      this.#standing.see(block.number, block, hash)
      this.#tail = read
    } else {
      this.#endRun()
      this.#addAlone(read)
    }
    return { block, hash }
  }

  /** Whether the block is one of those that were retired, and is there still. */
  #isRetired({ blockNo, kind }: BlockColumns): boolean {
    return blockNo <= BigInt(this.#start?.block ?? -1) && kind !== 'genesis' && kind !== 'rotate'
  }

  /** From genesis and the rotations to where the chain begins now: what comes is held against what the retention key has signed. */
  #begin({ block, hash, keyBlock, keyHash, rows, lost, time }: ChainStart): void {
    this.#start = undefined
    this.#endRun()
    this.#tail = undefined
    const hasGenesis = this.#genesis !== undefined
    if (!hasGenesis && this.#lastNumber < 0) this.#find('block-missing', 0, 'block 0 is missing')
    const isIt = this.#keyHash === undefined ? this.#isResumed : sameBytes(this.#keyHash, keyHash)
    const isCurrent = hasGenesis && this.#key.from === keyBlock && isIt
    if (hasGenesis && !isCurrent)
      this.#find(
        'block-missing',
        keyBlock,
        'it brought in the key, and is not there as the retention key has signed it',
      )
    if (!isCurrent) this.#key.lose()
    if (block > this.#lastNumber) this.#doubts.addGap(this.#lastNumber + 1, block)
    this.#doubtUnsigned()
    this.#lastNumber = block
    // Of which kind it was the next one does not depend on.
    this.#last = { number: block, kind: 'data', rowsTotal: rows, lost, time }
    this.#lastHash = hash
    this.#lastText = hash
    this.#lost = Math.max(this.#lost, lost)
  }

  end(): ChainSummary {
    const start = this.#start
    if (start !== undefined) {
      this.#begin(start)
      const what = 'blocks are missing from here on: the retention key has signed that the chain goes on'
      this.#find('block-missing', start.block + 1, what)
    }
    this.#endRun()
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
      point: isBegun && !standing.foreign ? this.#pointAt(standing) : undefined,
    }
  }

  #pointAt({ enrolled, pinned, lastId }: Standing): ChainPoint | undefined {
    const [last, hash, key, genesis] = [this.#last, this.#lastHash, this.#key.key, this.#genesis]
    const isEnd = last !== undefined && last.number === this.#lastNumber && this.#key.proves
    if (!isEnd || hash === undefined || key === undefined || genesis === undefined) return undefined
    const { number, kind, rowsTotal, lost, time } = last
    const { log, opening } = genesis
    return {
      chain: this.#chain,
      last: { number, kind, rowsTotal, lost, time },
      hash,
      key: key.toString(),
      keyFrom: this.#key.from,
      log,
      opening,
      enrolled,
      pinned,
      lastId,
    }
  }

  #checkNumber(number: number): void {
    const expected = this.#lastNumber + 1
    if (number > expected && this.#start !== undefined && expected > 0) {
      this.#doubts.addGap(expected, number - 1)
      this.#forget()
    } else if (number > expected) {
      const range =
        number - 1 === expected ? `block ${expected} is` : `blocks ${expected} to ${number - 1} are`
      this.#find('block-missing', expected, `${range} missing`)
      this.#doubts.addGap(expected, number - 1)
      this.#forget()
      this.#key.doubt()
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
    else if (this.#key.key === undefined) this.#doubts.addAllFrom(number)
    else this.#unsigned.push(number)
  }

  #doubtUnsigned(): void {
    for (const number of this.#unsigned) this.#doubts.addUnproven(number)
    this.#unsigned = []
  }

  /** Nothing but its signature is left to be looked at, and that may be left to the end of the run. */
  #joins(read: ReadBlock): boolean {
    const { block, text, signatures } = read
    const tail = this.#tail
    if (tail === undefined || this.#findings.total !== this.#quietAt || this.#checks.every) return false
    const { number, kind, prev, log } = block
    return (
      (kind === 'data' || kind === 'idle') &&
      number === tail.block.number + 1 &&
      sameBytes(prev, tail.hash) &&
      brokenCounters(block, tail.block).length === 0 &&
      log === this.#expectedLog &&
      !this.#standing.isPinned(number) &&
      text.length + signatures.length <= LONGEST_WAITING &&
      this.#key.maySign(read)
    )
  }

  #addAlone(read: ReadBlock): void {
    const { block, text, hash, signatures } = read
    const { number, kind } = block
    const before = this.#findings.total
    this.#checkNumber(number)
    this.#standing.see(number, block, hash)
    if (this.#closed) this.#find('block-after-close', number, 'the chain was closed before')
    if (kind === 'genesis' || kind === 'rotate') this.#keyHash = hash
    if (kind === 'genesis') {
      this.#genesis = block
      this.#key.begin(block)
      this.#standing.begin(block, text, signatures)
    }
    const isProven = this.#take(block, hash, this.#key.hasSigned(read))
    this.#quietAt = this.#findings.total
    this.#tail = isProven && !this.#closed && this.#quietAt === before ? read : undefined
  }

  #endRun(): void {
    const { key } = this.#key
    if (key === undefined) return
    for (const { block, hash, problem } of this.#run.end(key)) {
      if (problem !== undefined) this.#find('block-signature', block.number, problem)
      this.#take(block, hash, problem === undefined)
    }
  }

  /** @returns whether it is proven by itself, or by the run that it is in */
  #take(block: Block, hash: Buffer, isSigned: boolean): boolean {
    const { number, kind, rows, lost } = block
    this.#checkLog(block)
    this.#blocks++
    this.#rows += rows
    this.#newest = block
    // What is not signed may say anything: neither it nor the next block is held against the other.
    if (isSigned) this.#checkAgainstLast(block)
    if (isSigned) this.#lost = Math.max(this.#lost, lost)
    if (isSigned && kind === 'genesis') this.#isOpened = true
    this.#last = isSigned ? block : undefined
    this.#lastHash = isSigned ? hash : undefined
    const isProven = isSigned && this.#key.proves
    this.#noteDoubts(block, isProven)
    if (isProven) this.#head = { block: number, hash }
    this.#lastText = hash
    if (kind === 'close' && isSigned) this.#closed = true
    return isProven
  }

  #addUnusable({ blockNo }: BlockColumns, hash: Buffer, reason: string): void {
    this.#endRun()
    this.#tail = undefined
    const number = Number(blockNo)
    // Any other is no number of a block: it has no place in the chain, and nothing can be missing before it.
    if (blockNo >= 0n && blockNo < 2n ** 53n) this.#checkNumber(number)
    this.#find('block-malformed', number, reason)
    this.#standing.see(number, undefined, hash)
    this.#blocks++
    if (this.#closed) this.#find('block-after-close', number, 'the chain was closed before')
    this.#doubts.addUnusable(number)
    this.#forget()
  }

  get #expectedLog(): string | undefined {
    return this.#trust.origin ?? this.#genesis?.log
  }

  #checkLog({ log, number }: Block): void {
    const expected = this.#expectedLog ?? log
    if (log !== expected) this.#find('chain-origin', number, `the block is of log ${log}, not of ${expected}`)
  }

  #checkAgainstLast(block: Block): void {
    const last = this.#last
    if (this.#lastHash !== undefined && !sameBytes(block.prev, this.#lastHash)) {
      this.#find('block-prev', block.number, `it does not name block ${block.number - 1} as it is`)
    }
    if (last === undefined) return
    const problems = brokenCounters(block, last)
    if (problems.length > 0) {
      const what = problems.join(', ')
      this.#find('block-counters', block.number, `${what} do not follow from block ${last.number}`)
    }
  }

  #find(code: FindingCode, block: number, detail: string): void {
    this.#findings.add(code, detail, { chain: this.#chain, block })
  }
}

function parsed(text: string): Block | AuditError {
  try {
    return parseBlock(text)
  } catch (error) {
    if (error instanceof AuditError) return error
    throw error
  }
}
