import { isKeyName } from '../chain/note-key.js'
import type { Block } from '../chain/block.js'
import { sameBytes } from '../chain/hash.js'
import { type ChainStarts, NO_STARTS } from './chain-starts.js'
import type { FindingLog } from './finding.js'
import type { CheckedRow } from './source.js'

/** What was said of a block outside the database. */
export interface Anchor {
  /** Undefined where it was not said. */
  readonly log: string | undefined
  /** 32 hex digits. */
  readonly chain: string
  readonly block: number
  /**
   * SHA-256 of the block's text. Undefined where only the block's existence was said; null where what was said is not a hash,
   * or contradicts itself: no block is as that says.
   */
  readonly hash: Uint8Array | undefined | null
  /** A row of the block, where one was said. */
  readonly row?: SaidRow | undefined
}

/** What was said of a row. Null is what cannot be read. */
export interface SaidRow {
  readonly index: number | null
  readonly auditId: bigint | undefined | null
}

/** What has become of the anchors. */
export interface AnchorCoverage {
  /** Blocks that were said of this log. */
  readonly given: number
  /** They are there, as they were said. */
  readonly held: number
  /** Their blocks were retired: an archive has them. */
  readonly retired: number
  /** Of other logs than the trust file names, and not there: a backend for traces serves many. */
  readonly foreign: number
}

/** Something that says it is an anchor, or was given as one, and cannot be read. */
export interface UnreadAnchor {
  /** Of the file, from 1. */
  readonly line: number
  readonly problem: string
}

/** What of the given anchors could not be used. */
export interface UnreadAnchors {
  readonly count: number
  /** The first of them. */
  readonly first: readonly UnreadAnchor[]
}

/** Of each log, how many unread entries are kept with their lines. */
const MOST_UNREAD = 20

interface Said {
  readonly statements: readonly Pick<Anchor, 'log' | 'hash'>[]
  readonly rows: readonly SaidRow[]
}

/** Blocks as they were said outside the database, for one look at each block of it. */
export class Anchors {
  /** By chain and number: everything that was said of the block. */
  readonly #byChain = new Map<string, Map<number, Said>>()
  /** By chain, number and index: which ids the row there has, of blocks that were found. */
  readonly #rows = new Map<string, Map<number, Map<number, readonly bigint[]>>>()
  readonly #unread = new Map<string | undefined, { count: number; first: UnreadAnchor[] }>()
  /** Blocks of which a row is another than was said. */
  readonly #fallen = new Set<string>()
  /** What was said of blocks that are not as was said. */
  readonly #refuted: Anchor[] = []
  readonly #fallenRows: Anchor[] = []
  #found = 0
  #held = 0
  #missing = 0
  #retired = 0
  #foreign = 0

  add({ row, chain, block, log, hash }: Anchor): void {
    const blocks = this.#byChain.get(chain) ?? new Map<number, Said>()
    this.#byChain.set(chain, blocks)
    const { statements, rows } = blocks.get(block) ?? { statements: [], rows: [] }
    blocks.set(block, {
      statements: added(statements, { log, hash }),
      rows: row === undefined ? rows : [...rows, row],
    })
  }

  /** @param log that it says it is of. Undefined: nobody knows */
  addUnread(log: string | undefined, unread: UnreadAnchor): void {
    const known = this.#unread.get(log) ?? { count: 0, first: [] }
    this.#unread.set(log, known)
    known.count++
    if (known.first.length < MOST_UNREAD) known.first.push(unread)
  }

  get isEmpty(): boolean {
    return this.#byChain.size === 0
  }

  /**
   * A block of the database. What was said of it is done with, but for its rows.
   *
   * @param rows how many it has. Undefined: it is not a block
   */
  check(
    { chain, number: block, rows }: Pick<Block, 'chain' | 'number'> & { readonly rows: number | undefined },
    hash: Uint8Array,
    findings: FindingLog,
  ): void {
    const blocks = this.#byChain.get(chain)
    const said = blocks?.get(block)
    if (blocks === undefined || said === undefined) return
    blocks.delete(block)
    this.#found++
    const problem = problemOf(said, hash, rows)
    if (problem === undefined) {
      this.#held++
      this.#expectRows(chain, block, said.rows)
      return
    }
    this.#refuted.push(...anchorsOf(chain, block, said))
    findings.add('anchor-mismatch', problem, { chain, block })
  }

  /** Blocks that were not looked at yet, and of which something is said. */
  *places(): Generator<{ readonly chain: string; readonly block: number }> {
    for (const [chain, blocks] of this.#byChain) for (const block of blocks.keys()) yield { chain, block }
  }

  /** Whether a row of the block is looked for. */
  expectsRows({ chain, block }: { readonly chain: string; readonly block: number }): boolean {
    return this.#rows.get(chain)?.has(block) === true
  }

  /**
   * When everything was looked at: the anchors that have failed.
   *
   * @param origin the log that the auditor knows. Undefined: all anchors are of this trail
   */
  failed(origin: string | undefined): readonly Anchor[] {
    const missing = [...this.#byChain].flatMap(([chain, blocks]) =>
      [...blocks].flatMap(([block, said]) => anchorsOf(chain, block, said)),
    )
    const ours = missing.filter(({ log }) => origin === undefined || log === undefined || log === origin)
    return [...this.#refuted, ...ours, ...this.#fallenRows]
  }

  /** A row of a block that was found. */
  checkRow({ auditId, originalAuditId, chain, block, index }: CheckedRow, findings: FindingLog): void {
    if (this.#rows.size === 0 || chain === null || block === null || index === null) return
    const said = this.#rows.get(chain)?.get(block)?.get(index)
    // A row whose id was taken has another one than its span, and says which that was.
    if (said === undefined || said.every((id) => id === auditId || id === originalAuditId)) return
    this.#fallen.add(`${chain} ${block}`)
    for (const id of said) {
      this.#fallenRows.push({ log: undefined, chain, block, hash: undefined, row: { index, auditId: id } })
    }
    findings.add('anchor-mismatch', 'an anchor says another row in this place', { chain, block, auditId })
  }

  /**
   * What is left has no block. One finding a chain, for the first block that should be there.
   *
   * Which logs there are is never taken from the database: whoever replaces one log by another would make the anchors of
   * the first look like somebody else's.
   *
   * @param origin the log that the auditor knows. Undefined: all anchors are of this trail
   * @param only the chain that is looked at. Undefined: all
   * @param starts blocks up to there were retired, and are not missing
   */
  endBlocks(
    chains: ReadonlyMap<string, unknown>,
    origin: string | undefined,
    only: string | undefined,
    findings: FindingLog,
    starts: ChainStarts = NO_STARTS,
  ): void {
    const isOurs = ({ log }: Pick<Anchor, 'log'>): boolean =>
      origin === undefined || log === undefined || log === origin
    for (const [chain, blocks] of this.#byChain) {
      if (only !== undefined && chain !== only) continue
      const all = [...blocks].filter(([, { statements }]) => statements.some(isOurs)).map(([block]) => block)
      this.#foreign += blocks.size - all.length
      const retiredTo = starts.get(chain)?.block ?? -1
      const ours = all.filter((block) => block > retiredTo)
      this.#retired += all.length - ours.length
      this.#missing += ours.length
      if (ours.length === 0) continue
      const block = ours.reduce((first, next) => Math.min(first, next))
      const more = ours.length === 1 ? '' : `, and so for ${ours.length - 1} more blocks of the chain`
      const what = chains.has(chain) ? 'the block is not there' : 'the whole chain is not there'
      const hint =
        origin === undefined && !chains.has(chain)
          ? '; if the anchors are of several logs, the trust file has to name this one (origin)'
          : ''
      findings.add('anchor-missing', `an anchor names this block: ${what}${more}${hint}`, { chain, block })
    }
  }

  /** When blocks and rows have been looked at. */
  get coverage(): AnchorCoverage {
    return {
      given: this.#found + this.#missing + this.#retired,
      held: this.#held - this.#fallen.size,
      retired: this.#retired,
      foreign: this.#foreign,
    }
  }

  /** @param origin the log that the auditor knows: what says that it is of another is not ours */
  unread(origin: string | undefined): UnreadAnchors {
    const ours = [...this.#unread]
      .filter(([log]) => origin === undefined || log === undefined || log === origin)
      .map(([, unread]) => unread)
    return {
      count: ours.reduce((sum, { count }) => sum + count, 0),
      first: ours
        .flatMap(({ first }) => first)
        .toSorted((a, b) => a.line - b.line)
        .slice(0, MOST_UNREAD),
    }
  }

  #expectRows(chain: string, block: number, rows: readonly SaidRow[]): void {
    const expected = new Map<number, readonly bigint[]>()
    for (const { index, auditId } of rows) {
      if (index === null || auditId === undefined || auditId === null) continue
      const known = expected.get(index) ?? []
      if (!known.includes(auditId)) expected.set(index, [...known, auditId])
    }
    if (expected.size === 0) return
    const blocks = this.#rows.get(chain) ?? new Map<number, ReadonlyMap<number, readonly bigint[]>>()
    this.#rows.set(chain, blocks as Map<number, Map<number, readonly bigint[]>>)
    blocks.set(block, expected)
  }
}

function anchorsOf(chain: string, block: number, { statements, rows }: Said): readonly Anchor[] {
  return [
    ...statements.map(({ log, hash }) => ({ log, chain, block, hash })),
    ...rows.map((row) => ({ log: statements[0]?.log, chain, block, hash: undefined, row })),
  ]
}

/** A log that an anchor says. What no log can be called says nothing, and then the anchor counts as ours. */
export function logOf(said: unknown): string | undefined {
  return typeof said === 'string' && isKeyName(said) ? said : undefined
}

function problemOf(
  { statements, rows }: Said,
  hash: Uint8Array,
  count: number | undefined,
): string | undefined {
  if (statements.some((said) => said.hash === null)) {
    return 'an anchor says of this block what is not a hash, or contradicts itself'
  }
  if (!statements.every((said) => said.hash === undefined || sameBytes(said.hash ?? hash, hash))) {
    return 'an anchor says another hash of this block'
  }
  if (rows.some(({ index, auditId }) => index === null || auditId === null)) {
    return 'an anchor says a row of this block that cannot be read'
  }
  // What is not a block has no rows that anybody could know of.
  const beyond = rows.find(({ index }) => index !== null && count !== undefined && index >= count)
  return beyond === undefined
    ? undefined
    : `an anchor says index ${beyond.index}, and the block has ${count} rows`
}

type Statement = Pick<Anchor, 'log' | 'hash'>

/** What contradicts is kept: neither the first nor the last to speak is right because of that. */
function added(known: readonly Statement[], statement: Statement): readonly Statement[] {
  if (known.some((other) => saysAsMuch(other, statement))) return known
  return [...known.filter((other) => !saysAsMuch(statement, other)), statement]
}

/** Whether one of two statements about a block makes the other one superfluous. */
function saysAsMuch(one: Statement, other: Statement): boolean {
  if (one.log !== other.log) return false
  if (other.hash === undefined || one.hash === other.hash) return true
  return one.hash !== undefined && one.hash !== null && other.hash !== null && sameBytes(one.hash, other.hash)
}
