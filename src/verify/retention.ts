import { AuditError } from '../errors.js'
import { INT8_MIN } from '../event/int8.js'
import { openNote } from '../chain/note.js'
import { isStartsNote, parseStarts, type SignedStarts } from './chain-start.js'
import type { FindingLog } from './finding.js'
import { IdRanges } from './id-ranges.js'
import { checkLeafSets, LeafDigests, LeafSum } from './leaf-digests.js'
import { parseRetention, type Retention } from './retention-note.js'
import { goneBy, type GoneRows } from './row-walk.js'
import type { IdRange, RetentionRow, TrailSource } from './source.js'
import type { Trust } from './trust.js'

/** What is known to have been retired: of each partition what was signed last. */
export type KnownRetention = readonly Retention[]

/** What retention keys have signed. */
export interface SignedRetention {
  readonly partitions: KnownRetention
  /** Sums of where chains begin: of every list that was ever signed. */
  readonly starts: ReadonlySet<string>
  /** Rows that count, whatever they say. */
  readonly counted: number
}

/**
 * Reads what the trail says was retired. A row counts only with the note of a retention key of the trust file: every service
 * can write rows, and none has that key. What does not count is a finding.
 */
export async function readRetention(
  source: Pick<TrailSource, 'retentionRows'>,
  trust: Trust,
  findings: FindingLog,
): Promise<SignedRetention> {
  const newest = new Map<string, Retention>()
  const starts = new Set<string>()
  let counted = 0
  for await (const batch of source.retentionRows?.() ?? []) {
    for (const row of batch) {
      const retention = opened(row, trust, findings)
      if (retention === undefined) continue
      counted++
      if ('chains' in retention) {
        starts.add(retention.sum)
        continue
      }
      const key = `${retention.from ?? '-'} ${retention.to}`
      const known = newest.get(key)
      if (known === undefined || known.time <= retention.time) newest.set(key, retention)
    }
  }
  return { partitions: [...newest.values()].filter(({ state }) => state !== 'kept'), starts, counted }
}

/**
 * The rows that need not be there, with what is left of them. The leaf digests of what is retired have to be the ones that were
 * signed: else a row at the bound could be removed, and a digest be put in its place.
 */
export async function goneRows(
  source: TrailSource,
  known: {
    readonly trust: Trust
    readonly retention: KnownRetention
    /** Of a part of a trail: which rows it need not have. The digests that come with it are its own. */
    readonly elsewhere: readonly IdRange[] | undefined
  },
  findings: FindingLog,
): Promise<GoneRows> {
  const { trust, retention, elsewhere } = known
  const gone = goneBy(trust)
  if (retention.length === 0 && elsewhere === undefined) return gone
  const ranges = retention.map(({ from = INT8_MIN, to }) => ({ first: from, last: to - 1n }))
  const ids = new IdRanges([...gone.ids.ranges, ...ranges, ...(elsewhere ?? [])])
  const leaves = new LeafDigests()
  const names = new Set(retention.map(({ partition }) => partition))
  const sums = new Map<string, LeafSum>()
  for await (const batch of source.leaves?.() ?? []) {
    for (const leaf of batch) {
      if (elsewhere === undefined && !names.has(leaf.partition)) continue
      const sum = sums.get(leaf.partition) ?? new LeafSum()
      sums.set(leaf.partition, sum)
      sum.add(leaf)
      leaves.add(leaf)
    }
  }
  const signed = retention.filter(({ state }) => state === 'retired')
  const named = signed.map(({ partition, leaves: set }) => ({ name: partition, leaves: set }))
  checkLeafSets(named, sums, findings)
  return { ids, leaves }
}

function opened(
  { auditId, note }: RetentionRow,
  trust: Trust,
  findings: FindingLog,
): Retention | SignedStarts | undefined {
  try {
    const said = isStartsNote(note) ? parseStarts(note) : parseRetention(note)
    const why = whyRefused(note, said, trust)
    if (why === undefined) return said
    const what = 'chains' in said ? `starts of ${said.chains} chains` : `${said.partition}, ${said.state}`
    findings.add('retention-refused', `${what}: ${why}`, { auditId })
  } catch (error) {
    if (!(error instanceof AuditError)) throw error
    findings.add('retention-refused', error.reason, { auditId })
  }
  return undefined
}

function whyRefused(
  note: string,
  { log, trail }: Pick<Retention, 'log' | 'trail'>,
  { retention = [], origin, trails = [] }: Trust,
): string | undefined {
  if (origin !== undefined && log !== origin) return `it is of log ${log}`
  if (trails.length > 0 && !trails.includes(trail)) return `it is of trail ${trail}`
  if (retention.length === 0) return 'the trust file names no retention key (a line "retention")'
  openNote(note, retention)
  return undefined
}
