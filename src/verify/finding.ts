/**
 * Everything a verifier can find. The closed set of codes; `docs/integrity.md` is held against it.
 */
export const FINDINGS = Object.freeze({
  'store-altered':
    'Something else than the tables of a trail answers, or two answers about the same blocks differ.',
  'chain-id': 'The chain’s id is not that of the key in its genesis block.',
  'chain-origin': 'The block belongs to another log.',
  'chain-foreign':
    'The chain was written to another trail, or on a server that the trust file does not name: none of its rows is proven.',
  'chain-unenrolled': 'No enrolment key of the trust file has signed the genesis block.',
  'chain-missing': 'A chain that another chain continues is not there.',
  'block-malformed': 'The columns do not make the text of a block.',
  'block-signature': 'The block is not signed by the key that was current.',
  'block-missing': 'Blocks are missing.',
  'block-repeated': 'A number is there more than once.',
  'block-prev': 'The block does not name the one before it.',
  'block-counters': 'Rows, losses or time do not follow from the block before.',
  'block-after-close': 'The chain was closed before this block.',
  'block-root': 'The rows are not those that were signed.',
  'block-unchecked': 'Too many blocks or rows overlap with it: its rows were not checked.',
  'row-changed': 'The row is not the one whose digest was stored with it.',
  'row-missing': 'Rows of the block are missing.',
  'row-misplaced':
    'The row is not in its place: it is one too many, out of order, or gives only a part of its place.',
  'row-foreign':
    'Another transaction put rows of the block here than the one that they name, and the trust file names no restore after them.',
  'row-without-block': 'The row names a block that is not there, or does not reach so far.',
  'row-unsigned': 'The row has no block, and the trust file says that it must have one.',
  'unsigned-altered': 'Rows without a block are not those that an earlier verification has read.',
  'head-mismatch': 'The trust file, or the state of an earlier verification, has another hash of the block.',
  'head-missing': 'The trust file, or the state of an earlier verification, names a block that is not there.',
  'anchor-mismatch': 'An anchor says something else of the block, or of a row of it.',
  'anchor-missing': 'An anchor names a block that is not there.',
  'retention-refused':
    'A row says that a part of the trail was retired, and no retention key of the trust file has signed it.',
  'leaf-altered':
    'The digests that are left of retired rows are not those that the retention key has signed.',
  'start-altered':
    'Where chains begin whose first blocks were retired is not what the retention key has signed.',
  'archive-manifest':
    'The manifest of an archive is not signed by a retention key of the trust file, is of another trail, or does not follow from the one before it.',
  'archive-file': 'A file of an archive is not the one of its manifest, or is not there.',
  'archive-hidden':
    'A file of an archive is there, and who asks for it by its name does not get it: a delete marker or a newer version hides it.',
  'archive-unlocked':
    'A file of an archive was locked until a date that is not over, and the store does not show that it still is.',
  'archive-missing': 'An archive that the trail, or a later archive, names is not there.',
  'export-file': 'The exported file is not the one of its manifest.',
  'export-rows': 'The trail has other rows for the export than its file or its manifest.',
})

export type FindingCode = keyof typeof FINDINGS

/** One thing that is not as it was signed, or cannot be. */
export interface Finding {
  readonly code: FindingCode
  /** In one line, without any text of a row. */
  readonly message: string
  /** 32 hex digits. */
  readonly chain?: string | undefined
  readonly block?: number | undefined
  readonly auditId?: bigint | undefined
}

/** How many of each code there were in all of them. */
export function sumOfCounts(
  counts: Iterable<ReadonlyMap<FindingCode, number>>,
): ReadonlyMap<FindingCode, number> {
  const sum = new Map<FindingCode, number>()
  for (const one of counts) for (const [code, count] of one) sum.set(code, (sum.get(code) ?? 0) + count)
  return sum
}

/** Findings of one code that are told one by one. Beyond that they are counted. */
const MOST_OF_A_CODE = 10_000
/** Of one code and one chain of the operator: told however many of other chains there are. */
const MOST_OF_A_CHAIN = 1_000

/** Where findings go, and how many of each there were. Whoever may write makes as many as he likes: there is a bound. */
export class FindingLog {
  readonly counts = new Map<FindingCode, number>()
  readonly #onFinding: (finding: Finding) => void
  readonly #told = new Map<FindingCode, number>()
  #total = 0
  /** By chain of the operator. */
  readonly #toldOf = new Map<string, Map<FindingCode, number>>()

  constructor(onFinding: (finding: Finding) => void) {
    this.#onFinding = onFinding
  }

  /** All of them, told or not. */
  get total(): number {
    return this.#total
  }

  /** The chain is the operator's: nobody else's findings are to hide those of it. */
  vouchFor(chain: string): void {
    this.#toldOf.set(chain, new Map())
  }

  add(code: FindingCode, detail: string, place: Omit<Finding, 'code' | 'message'>): void {
    this.#total++
    this.counts.set(code, (this.counts.get(code) ?? 0) + 1)
    if (this.#isTold(code, place.chain)) this.#onFinding({ code, message: detail, ...place })
  }

  #isTold(code: FindingCode, chain: string | undefined): boolean {
    const ofChain = chain === undefined ? undefined : this.#toldOf.get(chain)
    const [told, most] = ofChain === undefined ? [this.#told, MOST_OF_A_CODE] : [ofChain, MOST_OF_A_CHAIN]
    const count = (told.get(code) ?? 0) + 1
    if (count <= most) told.set(code, count)
    return count <= most
  }
}
