import { JSON, wallClock } from '../../host/globals.js'
import { createHash, randomBytes } from '../../host/crypto.js'
import { createReadStream } from 'node:fs'
import { dirname, join } from 'node:path'
import { AuditError } from '../../errors.js'
import type { Anchors } from '../../verify/anchors.js'
import { KeyedSum } from '../../verify/block-sum.js'
import { ALL_IDS, type IdRange } from '../../verify/source.js'
import type { FindingCode } from '../../verify/finding.js'
import { parseFilter, type ResolvedFilter } from '../filter.js'
import { matches as isAskedFor } from '../matches.js'
import { isSamePlace, type Place } from '../../postgres/place.js'
import type { ReadRow } from '../../postgres/read/copied-event.js'
import { firstIdOf, lastIdOf } from '../../event/snowflake.js'
import { rowOf, type TrailRow } from '../row.js'
import { encodingOf } from './export-format.js'
import { Counter, type ExportManifest } from './manifest.js'

export interface ExportFinding {
  readonly code: Extract<FindingCode, `export-${string}`>
  readonly message: string
}

/**
 * Reads a manifest.
 *
 * @throws AuditError `AUDIT_EVIDENCE_MALFORMED` for what is not a manifest
 */
export function parseManifest(text: string): ExportManifest {
  const manifest = parsedJson(text)
  const { format, file, media_type, schema, sha256, mark, filter, chains, first_audit_id, last_audit_id } =
    manifest
  const isId = (id: unknown): boolean => id === null || matches(id, /^-?\d{1,19}$/)
  const isManifest =
    format === 'otel-audit/export/v1' &&
    typeof file === 'string' &&
    matches(media_type, /^(text\/csv|application\/x-ndjson)$/) &&
    (schema == null || typeof schema === 'string') &&
    matches(sha256, /^[0-9a-f]{64}$/) &&
    matches(mark, /^\d{1,18}$/) &&
    isObject(filter) &&
    isId(first_audit_id) &&
    isId(last_audit_id) &&
    Array.isArray(chains) &&
    chains.every(isChain)
  if (!isManifest) throw malformed('it is not the manifest of an export')
  const found = manifest as unknown as ExportManifest
  if (encodingOf(found) !== undefined) return found
  throw malformed(`this version does not write ${String(schema)}: check it with one that does`)
}

/** What the blocks of the export were when it was made: each stands for all before it, whose hashes lead to it. */
export function addAnchors(manifest: ExportManifest, anchors: Anchors): void {
  for (const { chain_id, log, last_block, last_block_hash } of manifest.chains) {
    anchors.add({
      log: log ?? undefined,
      chain: chain_id.replaceAll('-', ''),
      block: Number(last_block),
      hash: last_block_hash === null ? undefined : Buffer.from(last_block_hash, 'hex'),
    })
  }
}

/** What an export was asked for. One that says nothing of the trail's own rows has them. */
export function filterOf(filter: ExportManifest['filter']): ResolvedFilter {
  return parseFilter({ own: 'include', ...filter }, wallClock(), { isBounded: true })
}

/** The ids between which the exported rows are; of an export without any, those of its window. */
export function idsOf({ first_audit_id, last_audit_id, filter }: ExportManifest): IdRange {
  if (first_audit_id !== null && last_audit_id !== null) {
    return { first: BigInt(last_audit_id), last: BigInt(first_audit_id) }
  }
  const { from, to } = filterOf(filter)
  return {
    first: from === undefined ? ALL_IDS.first : firstIdOf(Math.floor(from / 1000)),
    last: to === undefined ? ALL_IDS.last : lastIdOf(Math.floor(to / 1000)),
  }
}

/**
 * Holds the rows of a file against those of the trail.
 *
 * A row of the trail is written again as the export would, from the columns that were hashed when the row was checked; which
 * rows the export must have is said by its filter, applied to these columns, and not by the database. Both lists are
 * compared by a sum, so that neither is held.
 */
export class ExportedRows {
  readonly #manifest: ExportManifest
  readonly #filter: ResolvedFilter
  readonly #ids: IdRange
  readonly #isSamePlace: boolean
  readonly #encoding: NonNullable<ReturnType<typeof encodingOf>>
  readonly #lastBlocks: ReadonlyMap<string, number>
  readonly #inFile: KeyedSum
  readonly #settled: Gathered
  /** With what a transaction of here wrote, if the transactions of here go on from those of the export. */
  readonly #carriedOn: Gathered
  #isFileRead = false
  #isCarriedOn: boolean | undefined

  /** @param place that is read now */
  constructor(manifest: ExportManifest, place: Place) {
    const key = randomBytes(32)
    this.#manifest = manifest
    this.#filter = filterOf(manifest.filter)
    this.#ids = idsOf(manifest)
    this.#isSamePlace = isSamePlace(manifest, place)
    const encoding = encodingOf(manifest)
    if (encoding === undefined) throw malformed('it is of a format that this version does not write')
    this.#encoding = encoding
    this.#inFile = new KeyedSum(key)
    this.#settled = new Gathered(key)
    this.#carriedOn = new Gathered(key)
    this.#lastBlocks = new Map(
      manifest.chains.map(({ chain_id, last_block }) => [chain_id.replaceAll('-', ''), Number(last_block)]),
    )
  }

  /** Rows of the filter between the first and the last, of which only the database says that they came after the export. */
  get later(): number {
    return this.#gathered.later
  }

  /** Whether the file beside the manifest is the one that was written; its rows are counted. */
  async readFile(manifestPath: string): Promise<ExportFinding[]> {
    const { file, bytes, sha256 } = this.#manifest
    const hash = createHash('sha256')
    const lines = this.#encoding.pieces()
    let length = 0
    try {
      // Never a file of another directory, whatever the manifest says.
      const name = file.replaceAll(/.*[\\/]/g, '')
      for await (const chunk of createReadStream(join(dirname(manifestPath), name))) {
        hash.update(chunk as Buffer)
        length += (chunk as Buffer).length
        for (const line of lines.take(chunk as Buffer)) this.#inFile.add(line)
      }
      for (const line of lines.end()) this.#inFile.add(line)
    } catch (error) {
      const code = String((error as { code?: unknown }).code)
      return [{ code: 'export-file', message: `the file cannot be read (${code})` }]
    }
    if (length !== bytes) {
      return [{ code: 'export-file', message: `the file has ${length} bytes, not ${bytes}` }]
    }
    if (hash.digest('hex') !== sha256)
      return [{ code: 'export-file', message: 'the file has another SHA-256' }]
    this.#isFileRead = true
    const { head } = this.#encoding
    if (head !== '') for (const set of this.#sets) set.sum.add(Buffer.from(head))
    return []
  }

  /** A row of the trail, in ascending order of ids. */
  addRow(found: ReadRow): void {
    const { auditId, event } = found
    if (auditId < this.#ids.first || auditId > this.#ids.last || !isAskedFor(this.#filter, event)) return
    const membership = this.#membershipOf(found)
    const row = rowOf(found)
    const line = Buffer.from(this.#encoding.line(row))
    this.#settled.add(membership === 'settled', row, line)
    this.#carriedOn.add(membership !== 'later', row, line)
  }

  /** When all rows have come. */
  findings(): ExportFinding[] {
    const { counter, sum } = this.#gathered
    const { chains, foreign: _, first_audit_id, last_audit_id, ...counts } = counter.tally
    // They came the other way round than they are in the file.
    const tally = { ...counts, first_audit_id: last_audit_id, last_audit_id: first_audit_id }
    const differing = Object.entries(tally)
      .filter(([name, count]) => !same(count, (this.#manifest as unknown as Record<string, unknown>)[name]))
      .map(([name]) => name)
    const said = this.#manifest.chains.map(({ chain_id, first_block, last_block, rows }) => ({
      chain_id,
      first_block,
      last_block,
      rows,
    }))
    if (!same(chains, said)) differing.push('chains')
    // A file that is not the one of the manifest is another finding.
    if (this.#isFileRead && !this.#inFile.equals(sum)) differing.push('rows of the file')
    if (differing.length === 0) return []
    return [
      {
        code: 'export-rows',
        message: `the trail has other rows for this export: ${differing.join(', ')} differ`,
      },
    ]
  }

  /**
   * What was settled at the mark. No signature covers the transaction of a row, so it alone cannot take one out: a writer's
   * blocks follow each other, and what lies before an exported block of the chain was settled with it.
   */
  #membershipOf({ isForeign, recordedXid, chain, block }: ReadRow): Membership {
    if (chain !== null && block !== null && block <= (this.#lastBlocks.get(chain) ?? -1)) {
      this.#isCarriedOn = (this.#isCarriedOn ?? true) && isForeign === false
      return 'settled'
    }
    if (isForeign !== false && this.#isSamePlace) return 'settled'
    if (recordedXid >= BigInt(this.#manifest.mark)) return 'later'
    return isForeign === false && !this.#isSamePlace ? 'settled if carried on' : 'settled'
  }

  get #sets(): readonly Gathered[] {
    return [this.#settled, this.#carriedOn]
  }

  /**
   * A restored row was put there by another transaction than it names; one that `pg_upgrade` took along was not, and then
   * the transactions of the new server go on from those of the old one. An export without a signed row does not tell which
   * it was: then it has to be right for one of both.
   */
  get #gathered(): Gathered {
    if (this.#isCarriedOn !== undefined) return this.#isCarriedOn ? this.#carriedOn : this.#settled
    return this.#inFile.equals(this.#carriedOn.sum) ? this.#carriedOn : this.#settled
  }
}

type Membership = 'settled' | 'settled if carried on' | 'later'

/** What the trail has of an export. */
class Gathered {
  readonly counter = new Counter()
  readonly sum: KeyedSum
  later = 0

  constructor(key: Uint8Array) {
    this.sum = new KeyedSum(key)
  }

  add(isOfTheSet: boolean, row: TrailRow, line: Uint8Array): void {
    if (!isOfTheSet) {
      this.later++
      return
    }
    this.counter.add(row)
    this.sum.add(line)
  }
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function isChain(value: unknown): boolean {
  if (!isObject(value)) return false
  const { chain_id, log, last_block, last_block_hash } = value
  return (
    matches(chain_id, /^[0-9a-f-]{36}$/) &&
    (log === null || typeof log === 'string') &&
    matches(last_block, /^\d{1,15}$/) &&
    (last_block_hash === null || matches(last_block_hash, /^[0-9a-f]{64}$/))
  )
}

function matches(value: unknown, pattern: RegExp): boolean {
  return typeof value === 'string' && pattern.test(value)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function parsedJson(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    if (isObject(value)) return value
  } catch {
    // Said below.
  }
  throw malformed('it is not JSON')
}

function malformed(problem: string): AuditError {
  return new AuditError('AUDIT_EVIDENCE_MALFORMED', `the manifest: ${problem}`)
}
