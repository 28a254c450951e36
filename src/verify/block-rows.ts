import { rowLeaf } from '../chain/block.js'
import { sameBytes } from '../chain/hash.js'
import { MerkleFrontier } from '../chain/merkle.js'
import type { IdRanges } from './id-ranges.js'
import type { CheckedRow, RowBlock } from './source.js'

/** What the rows that name a block come to. */
export interface Judgement {
  /** In their places under the signed root. */
  readonly proven: number
  /** There, while others of the block were retired: the root cannot be known. */
  readonly partly: number
  readonly retired: number
  readonly missing: number
  /** Index of the first that is missing. */
  readonly firstMissing: number
  readonly misplaced: readonly MisplacedRow[]
  /** What the block signed is not what is there, and no single row can be named for it. */
  readonly differs: 'root' | 'ids' | undefined
}

interface MisplacedRow {
  readonly row: CheckedRow
  readonly why: string
}

/** Choices between rows of one index that are tried: each costs the hashes of the whole block. */
const MOST_CHOICES = 64

/**
 * Holds the rows that name a block against what it has signed.
 *
 * The index of a row is its rank by id, so the columns are not needed to find the signed order: whichever rows lead, in
 * the order of their ids, to the signed root, are the signed ones, and only what differs from them is accused. Where none
 * do, the explanation is taken that accuses the fewest rows.
 *
 * @param rows all that name the block and lie in its range of ids, in ascending order of ids
 * @param retired ids of rows that were retired
 * @param leaves digests of retired rows of the block, by index
 */
export function judgeRows(
  block: RowBlock,
  rows: readonly CheckedRow[],
  retired: IdRanges,
  leaves?: ReadonlyMap<number, Uint8Array>,
): Judgement {
  const signed = signedRows(block, rows)
  if (signed !== undefined) return judgedBy(signed, block, rows)
  const guess = explained(block, rows, retired)
  return leaves === undefined ? guess : completed(guess, block, rows, leaves)
}

/** A block of which a part was retired, with the digests of that part: together they have to give the signed root. */
function completed(
  guess: Judgement,
  block: RowBlock,
  rows: readonly CheckedRow[],
  leaves: ReadonlyMap<number, Uint8Array>,
): Judgement {
  if (guess.missing > 0 || guess.misplaced.length > 0) return guess
  const byIndex = new Map(rows.map((row) => [row.index ?? -1, row]))
  const all = Array.from({ length: block.rowCount }, (_, index) => byIndex.get(index) ?? leaves.get(index))
  // Without some of them the root cannot be known: what is there counts as before.
  if (!all.every((one) => one !== undefined)) return guess
  const leads = (digestOf: (row: CheckedRow) => Uint8Array): boolean => {
    const tree = new MerkleFrontier()
    for (const [index, one] of all.entries()) {
      const digest = one instanceof Uint8Array ? one : digestOf(one)
      tree.add(rowLeaf(block.chain, block.block, index, digest))
    }
    return sameBytes(tree.root, block.root)
  }
  const isWhole = leads((row) => row.stored ?? row.computed) || leads((row) => row.computed)
  if (!isWhole) return { ...guess, partly: 0, differs: rows.every(isUnchanged) ? 'root' : guess.differs }
  return { ...guess, partly: 0, proven: rows.filter(isUnchanged).length }
}

function judgedBy(signed: readonly CheckedRow[], block: RowBlock, rows: readonly CheckedRow[]): Judgement {
  const fits = hasIdsOf(block, signed[0], signed.at(-1))
  const proven = fits ? signed.filter((row, rank) => row.index === rank && isUnchanged(row)).length : 0
  const differs = fits ? undefined : 'ids'
  if (proven === rows.length) return { ...NOTHING, proven, misplaced: [], differs }
  const ranks = new Map(signed.map((row, rank) => [row, rank]))
  const misplaced = rows.flatMap((row) => {
    const rank = ranks.get(row)
    if (rank === row.index) return []
    const why = rank === undefined ? 'it is one too many' : `it says index ${row.index}, and has ${rank}`
    return [{ row, why }]
  })
  return { ...NOTHING, proven, misplaced, differs }
}

const NOTHING = { proven: 0, partly: 0, retired: 0, missing: 0, firstMissing: 0 }

/** The rows that lead to the signed root, in its order, where they can be found. */
function signedRows(block: RowBlock, rows: readonly CheckedRow[]): readonly CheckedRow[] | undefined {
  if (rows.length < block.rowCount) return undefined
  if (rows.length === block.rowCount) return leadsToRoot(block, rows) ? rows : undefined
  for (const chosen of choices(block, rows)) if (leadsToRoot(block, chosen)) return chosen
  return undefined
}

/** With rows too many: one of each index, in the order of ids. Those whose digest holds come first. */
function* choices(block: RowBlock, rows: readonly CheckedRow[]): Generator<readonly CheckedRow[]> {
  const byIndex = new Map<number, CheckedRow[]>()
  for (const row of rows) {
    const index = row.index ?? -1
    if (index >= block.rowCount) continue
    byIndex.set(index, [...(byIndex.get(index) ?? []), row])
  }
  if (byIndex.size !== block.rowCount) return
  const contested = [...byIndex.values()].filter((candidates) => candidates.length > 1)
  for (const candidates of contested)
    candidates.sort((a, b) => Number(isUnchanged(b)) - Number(isUnchanged(a)))
  const all = contested.reduce((product, { length }) => Math.min(product * length, MOST_CHOICES), 1)
  for (let choice = 0; choice < all; choice++) {
    const left = new Set<CheckedRow>()
    let rest = choice
    for (const candidates of contested) {
      const taken = rest % candidates.length
      rest = Math.floor(rest / candidates.length)
      for (const [i, row] of candidates.entries()) if (i !== taken) left.add(row)
    }
    yield rows.filter((row) => (row.index ?? -1) < block.rowCount && !left.has(row))
  }
}

/** Of a row that was changed, the digest that was stored may still be the signed one: it says where the others belong. */
function leadsToRoot(block: RowBlock, rows: readonly CheckedRow[]): boolean {
  const leads = (digestOf: (row: CheckedRow) => Uint8Array): boolean => {
    const tree = new MerkleFrontier()
    for (const [rank, row] of rows.entries()) {
      tree.add(rowLeaf(block.chain, block.block, rank, digestOf(row)))
    }
    return sameBytes(tree.root, block.root)
  }
  return (
    leads((row) => row.stored ?? row.computed) || (!rows.every(isUnchanged) && leads((row) => row.computed))
  )
}

/** Nothing leads to the root: what is missing was retired, or is a finding; and who is out of place is a guess. */
function explained(block: RowBlock, rows: readonly CheckedRow[], retired: IdRanges): Judgement {
  const { placed, misplaced, spare } = placesOf(block, rows)
  const gaps = gapsBetween(block, placed, retired)
  // A row that is there, wherever it says, is not missing.
  const missing = Math.max(0, gaps.missing - spare)
  const gone = Math.max(0, gaps.retired - Math.max(0, spare - gaps.missing))
  const isComplete = missing === 0 && gone === 0
  const isSpoilt = !rows.every(isUnchanged)
  const [first, last] = [placed[0], placed.at(-1)]
  const fits = hasIdsOf(
    block,
    first?.index === 0 ? first.row : undefined,
    last?.index === block.rowCount - 1 ? last.row : undefined,
  )
  return {
    proven: 0,
    partly: missing === 0 && gone > 0 ? placed.length : 0,
    retired: gone,
    missing,
    firstMissing: gaps.first,
    misplaced,
    differs: isComplete && !isSpoilt ? 'root' : fits ? undefined : 'ids',
  }
}

interface PlacedRow {
  readonly row: CheckedRow
  readonly index: number
}

interface Places {
  /** In ascending order of ids and of indexes. */
  readonly placed: readonly PlacedRow[]
  readonly misplaced: readonly MisplacedRow[]
  /** How many of those may be the ones that are not in their places. */
  readonly spare: number
}

function placesOf({ rowCount }: RowBlock, rows: readonly CheckedRow[]): Places {
  const said = rows.map((row) => ({ row, index: row.index ?? -1 }))
  const beyond = said.filter(({ index }) => index >= rowCount)
  const within = said.filter(({ index }) => index < rowCount)
  const misplaced = beyond.map(({ row, index }) => ({
    row,
    why: `its index ${index} is beyond the rows of the block`,
  }))
  const ascending = inTheirPlaces(within)
  const inOrder = new Set(ascending)
  const indexes = within.map(({ index }) => index).toSorted((a, b) => a - b)
  const areDistinct = new Set(indexes).size === indexes.length
  // Indexes that were exchanged: each row gets the one that its rank gives it.
  const exchanged = within.filter(({ index }, rank) => index !== indexes[rank])
  if (areDistinct && exchanged.length <= within.length - ascending.length) {
    return {
      placed: within.map(({ row }, rank) => ({ row, index: indexes[rank] ?? 0 })),
      misplaced: [...misplaced, ...exchanged.map(({ row, index }) => ({ row, why: outOfOrder(index) }))],
      spare: beyond.length,
    }
  }
  const others = within.filter((place) => !inOrder.has(place))
  return {
    placed: ascending,
    misplaced: [...misplaced, ...others.map(({ row, index }) => ({ row, why: outOfOrder(index) }))],
    spare: beyond.length + others.length,
  }
}

function outOfOrder(index: number): string {
  return `its index ${index} does not follow from its id`
}

/** A longest run of rows whose digest is right, and of the others those that fit in: they are accused already. */
function inTheirPlaces(places: readonly PlacedRow[]): readonly PlacedRow[] {
  const kept = longestAscending(places.filter(({ row }) => isUnchanged(row)))
  const isKept = new Set(kept)
  // For each place, the index that the next kept one has.
  const limits: number[] = []
  let limit = Number.POSITIVE_INFINITY
  for (const [i, place] of [...places.entries()].toReversed()) {
    limits[i] = limit
    if (isKept.has(place)) limit = place.index
  }
  let last = -1
  return places.filter((place, i) => {
    const fits = isKept.has(place) || (place.index > last && place.index < (limits[i] ?? 0))
    if (fits) last = place.index
    return fits
  })
}

/**
 * As many as possible whose indexes ascend with the ids. Of several such runs the one that is built from its end, each time
 * with the smallest index that ends a run of the length, and of rows with the same index the last.
 */
function longestAscending(places: readonly PlacedRow[]): readonly PlacedRow[] {
  interface Link {
    readonly place: PlacedRow
    readonly before: Link | undefined
  }
  // The i-th ends the run of i + 1 places that ends with the smallest index.
  const ends: Link[] = []
  for (const place of places) {
    let [low, high] = [0, ends.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((ends[middle]?.place.index ?? 0) < place.index) low = middle + 1
      else high = middle
    }
    ends[low] = { place, before: low === 0 ? undefined : ends[low - 1] }
  }
  const longest: PlacedRow[] = []
  for (let link = ends.at(-1); link !== undefined; link = link.before) longest.push(link.place)
  return longest.toReversed()
}

/**
 * The indexes that no row has. Ids ascend with indexes: those between two rows were retired where an id between theirs may
 * have been. The first row has the block's smallest id and the last its largest, so of these two it is known.
 */
function gapsBetween(
  { rowCount, minId, maxId }: RowBlock,
  placed: readonly PlacedRow[],
  ids: IdRanges,
): { readonly missing: number; readonly retired: number; readonly first: number } {
  let [missing, retired, first, next] = [0, 0, 0, 0]
  const hasFirst = !ids.has(minId)
  let after = minId
  const miss = (index: number): void => {
    if (index > next && missing === 0) first = next
    missing += index - next
    next = index
  }
  const lack = (index: number): void => {
    retired += index - next
    next = index
  }
  for (const { row, index } of placed) {
    if (index > 0 && next === 0 && hasFirst) miss(1)
    if (ids.overlaps(after, row.auditId)) lack(index)
    else miss(index)
    next = index + 1
    after = row.auditId
  }
  if (next === 0 && hasFirst) miss(1)
  if (ids.overlaps(after, maxId) && next < rowCount)
    lack(ids.has(maxId) ? rowCount : Math.max(next, rowCount - 1))
  miss(rowCount)
  return { missing, retired, first }
}

/** The first and the last row have the ids that the block has signed. A row that was changed says nothing about it. */
function hasIdsOf(
  { minId, maxId }: RowBlock,
  first: CheckedRow | undefined,
  last: CheckedRow | undefined,
): boolean {
  const fits = (row: CheckedRow | undefined, id: bigint): boolean =>
    row === undefined || row.auditId === id || !isUnchanged(row)
  return fits(first, minId) && fits(last, maxId)
}

/** Its columns have the digest that was stored with them. */
export function isUnchanged({ stored, computed }: CheckedRow): boolean {
  return stored !== null && sameBytes(stored, computed)
}
