import type { Block } from '../chain/block.js'
import { sameBytes } from '../chain/hash.js'
import type { ChainPoint } from './chain-point.js'
import type { ChainStart } from './chain-start.js'
import type { FindingLog } from './finding.js'
import { enrolmentKeysFor, signatureProblem, whyForeign } from './genesis.js'
import type { PinnedBlock, Trust } from './trust.js'

/** How a chain stands with the auditor. */
export interface Standing {
  /** A key of the operator has signed its genesis block. */
  readonly enrolled: boolean
  /** Not enrolled, and known to the auditor from before there was a key. */
  readonly pinned: boolean
  /** Of another trail than the one that is looked at. */
  readonly foreign: boolean
  /** The largest id of a row that one of its blocks has. */
  readonly lastId: bigint | undefined
}

/** What is known of a chain before its first block is read. */
export interface KnownOfChain {
  /** Blocks of it that the trust file pins. */
  readonly heads?: readonly PinnedBlock[] | undefined
  /** Where it begins, if its first blocks were retired. */
  readonly start?: ChainStart | undefined
  /** It was walked before, up to that block, and is walked on from there. */
  readonly from?: ChainPoint | undefined
  /** It is a part of a trail: of what comes after its last block nothing is known. */
  readonly isPart?: boolean | undefined
}

/**
 * What the auditor knows of one chain: whether a key of the operator has enrolled it, whether the trust file pins blocks of it,
 * and whether it is of the trail that is looked at.
 */
export class ChainStanding {
  readonly #chain: string
  readonly #trust: Trust
  readonly #findings: FindingLog
  /** By number: the hash that the trust file has, and what was seen under the number. */
  readonly #pins: ReadonlyMap<number, { readonly hash: Uint8Array; found: 'nothing' | 'it' | 'another' }>
  #genesis: Block | undefined
  #isEnrolled = false
  #lastId: bigint | undefined
  readonly #retiredTo: number
  readonly #isPart: boolean
  #lastSeen = -1

  /** The chain was walked before, up to that block. */
  readonly #from: ChainPoint | undefined

  constructor(
    chain: string,
    trust: Trust,
    findings: FindingLog,
    { heads = [], start, isPart, from }: KnownOfChain,
  ) {
    this.#retiredTo = start?.block ?? -1
    this.#isPart = isPart ?? false
    this.#chain = chain
    this.#trust = trust
    this.#findings = findings
    this.#from = from
    this.#isEnrolled = from?.enrolled ?? false
    this.#lastId = largest(from?.lastId, start?.lastId)
    // Those up to there were held against what the walk before has seen.
    const ahead = heads.filter(({ block }) => block > (from?.last.number ?? -1))
    this.#pins = new Map(ahead.map(({ block, hash }) => [block, { hash, found: 'nothing' }]))
    // The auditor knows it.
    if (heads.length > 0 || from !== undefined) findings.vouchFor(chain)
  }

  begin(genesis: Block, text: string, signatures: string): void {
    this.#genesis = genesis
    const keys = enrolmentKeysFor(genesis.log, this.#trust)
    this.#isEnrolled = keys.length > 0 && signatureProblem(text, signatures, keys) === undefined
    if (this.#isEnrolled && whyForeign(genesis, this.#trust) === undefined)
      this.#findings.vouchFor(this.#chain)
  }

  isPinned(block: number): boolean {
    return this.#pins.has(block)
  }

  /** One that was retired cannot be looked at any more: the retention key vouches for what comes after it. */
  #isElsewhere(block: number): boolean {
    return block <= this.#retiredTo || (this.#isPart && block > this.#lastSeen)
  }

  /** Each block that is there, whether it is one or not. */
  see(number: number, block: Block | undefined, hash: Uint8Array): void {
    const last = block?.ids?.last
    if (last !== undefined && (this.#lastId === undefined || last > this.#lastId)) this.#lastId = last
    this.#lastSeen = number
    const pin = this.#pins.get(number)
    if (pin === undefined) return
    const isIt = sameBytes(pin.hash, hash)
    if (pin.found !== 'another') pin.found = isIt ? 'it' : 'another'
    if (isIt) return
    const place = { chain: this.#chain, block: number }
    this.#findings.add('head-mismatch', 'it is not the block that the trust file pins', place)
  }

  /** @param isBegun the genesis block is proven: before that nothing says which trail the chain is of */
  end(isBegun: boolean): Standing {
    const missing = [...this.#pins]
      .filter(([number, { found }]) => found === 'nothing' && !this.#isElsewhere(number))
      .map(([number]) => number)
    if (missing.length > 0) addMissing(this.#findings, this.#chain, missing)
    const { enrolment, unenrolledBefore } = this.#trust
    const hasPins = this.#pins.size > 0 || this.#from?.pinned === true
    const isWhole =
      hasPins &&
      [...this.#pins].every(
        ([number, { found }]) => found === 'it' || (found === 'nothing' && this.#isElsewhere(number)),
      )
    const isBefore =
      unenrolledBefore !== undefined && (this.#lastId === undefined || this.#lastId < unenrolledBefore)
    const pinned = !this.#isEnrolled && isWhole && isBefore
    const isKnown = this.#genesis !== undefined || this.#from !== undefined
    if (enrolment.length > 0 && isKnown && !this.#isEnrolled && !pinned) {
      const what = 'no enrolment key of the trust file has signed the genesis block'
      this.#findings.add('chain-unenrolled', what, { chain: this.#chain, block: 0 })
    }
    const why = isBegun && this.#genesis !== undefined ? whyForeign(this.#genesis, this.#trust) : undefined
    if (why !== undefined) this.#findings.add('chain-foreign', why, { chain: this.#chain, block: 0 })
    return { enrolled: this.#isEnrolled, pinned, foreign: why !== undefined, lastId: this.#lastId }
  }
}

function largest(one: bigint | undefined, other: bigint | undefined): bigint | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return one > other ? one : other
}

/** The blocks that a trust file pins, by chain. */
export function headsByChain({ heads = [] }: Trust): ReadonlyMap<string, readonly PinnedBlock[]> {
  const byChain = new Map<string, PinnedBlock[]>()
  for (const head of heads) {
    const known = byChain.get(head.chain)
    if (known === undefined) byChain.set(head.chain, [head])
    else known.push(head)
  }
  return byChain
}

/** Chains that the trust file pins, and that are not there at all. */
export function endPinned(
  trust: Trust,
  chains: ReadonlyMap<string, unknown>,
  only: string | undefined,
  findings: FindingLog,
): void {
  for (const [chain, heads] of headsByChain(trust)) {
    if (chains.has(chain) || (only !== undefined && only !== chain)) continue
    addMissing(
      findings,
      chain,
      heads.map(({ block }) => block),
    )
  }
}

/** One finding a chain, for the first of its blocks. */
function addMissing(findings: FindingLog, chain: string, blocks: readonly number[]): void {
  const block = blocks.reduce((first, next) => Math.min(first, next))
  const more = blocks.length === 1 ? '' : `, and ${blocks.length - 1} more of the chain`
  findings.add('head-missing', `the trust file pins this block, and it is not there${more}`, { chain, block })
}
