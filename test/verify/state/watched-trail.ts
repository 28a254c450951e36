import type { BlockColumns } from '../../../src/chain/block-columns.js'
import { generateNoteKey } from '../../../src/chain/note-key.js'
import type { AuditEvent } from '../../../src/event/event.js'
import { firstIdOf } from '../../../src/event/snowflake.js'
import { Anchors } from '../../../src/verify/anchors.js'
import type { Finding } from '../../../src/verify/finding.js'
import { ALL_IDS, type IdRange, type RetentionRow, type StoreAlteration } from '../../../src/verify/source.js'
import type { BlockPlace, IncrementalSource } from '../../../src/verify/state/incremental-source.js'
import { type IncrementalReport, verifyOnwards } from '../../../src/verify/state/incremental.js'
import { openState, stateText } from '../../../src/verify/state/state-note.js'
import { sumKeyOf, verifierKeyName } from '../../../src/verify/state/verifier-key.js'
import type { VerifyState } from '../../../src/verify/state/verify-state.js'
import { NO_TRUST, type Trust } from '../../../src/verify/trust.js'
import { anEvent } from '../../support/events.js'
import { LOG, MemoryTrail, TRAIL } from '../memory-trail.js'

export const DAY = 86_400_000
/** The trail begins here. */
export const START = Date.UTC(2025, 0, 1)

/** A trail in memory of which parts can be asked for. */
export class PartedTrail extends MemoryTrail {
  identity = TRAIL
  altered: readonly StoreAlteration[] = []
  notes: readonly RetentionRow[] = []
  /** What is not shown to who asks by ids. */
  hides: (columns: BlockColumns) => boolean = () => false
  /** Rows and blocks that were read, in all. */
  read = { blocks: 0, rows: 0 }
  #made = 0

  /** An event of that time. */
  event(ms: number): AuditEvent {
    return anEvent({}, { auditId: firstIdOf(ms) + BigInt(++this.#made), occurredAt: ms * 1000 })
  }

  /** For `write` of a writer: events from that time on, one a second. */
  from(ms: number): () => AuditEvent {
    let next = ms
    return () => this.event((next += 1000))
  }

  async alterations(): Promise<readonly StoreAlteration[]> {
    return this.altered
  }

  async trail(): Promise<string> {
    return this.identity
  }

  async extent(): Promise<IdRange | undefined> {
    const ids = this.rows.map(({ event }) => event.auditId).toSorted((a, b) => (a < b ? -1 : 1))
    const [first, last] = [ids[0], ids.at(-1)]
    return first === undefined || last === undefined ? undefined : { first, last }
  }

  async *retentionRows(from = ALL_IDS.first): AsyncGenerator<readonly RetentionRow[]> {
    yield this.notes.filter(({ auditId }) => auditId >= from)
  }

  async *blocksOnwards(known: readonly BlockPlace[]): AsyncGenerator<readonly BlockColumns[]> {
    const from = new Map(known.map(({ chain, block }) => [chain, BigInt(block)]))
    yield* this.#batches(({ chainId, blockNo }) => blockNo >= (from.get(chainId) ?? ALL_IDS.first))
  }

  async *blocksInOrder(
    after: BlockPlace | undefined,
    upTo: BlockPlace | undefined,
  ): AsyncGenerator<readonly BlockColumns[]> {
    const isBehind = ({ chainId, blockNo }: BlockColumns): boolean =>
      after === undefined ||
      chainId > after.chain ||
      (chainId === after.chain && blockNo > BigInt(after.block))
    const isUpTo = ({ chainId, blockNo }: BlockColumns): boolean =>
      upTo === undefined || chainId < upTo.chain || (chainId === upTo.chain && blockNo <= BigInt(upTo.block))
    yield* this.#batches((columns) => isBehind(columns) && isUpTo(columns))
  }

  async *blocksOfIds(range: IdRange): AsyncGenerator<readonly BlockColumns[]> {
    const begins = (columns: BlockColumns): boolean => {
      const { minId } = columns
      return minId !== null && minId >= range.first && minId <= range.last && !this.hides(columns)
    }
    const chains = new Set(this.table.filter(begins).map(({ chainId }) => chainId))
    const isKey = ({ chainId, kind }: BlockColumns): boolean =>
      chains.has(chainId) && (kind === 'genesis' || kind === 'rotate')
    yield* this.#batches((columns) => begins(columns) || isKey(columns))
  }

  async *rowBlocksOfIds(range: IdRange): ReturnType<MemoryTrail['rowBlocks']> {
    for await (const batch of this.rowBlocks({ chain: undefined, ids: range })) {
      yield batch.filter(
        ({ chain, block, minId }) =>
          minId >= range.first && minId <= range.last && !this.hides(this.blockAt(chain, block)),
      )
    }
  }

  async blocksAt(places: readonly BlockPlace[]): Promise<readonly BlockColumns[]> {
    return this.table.filter(({ chainId, blockNo }) =>
      places.some(({ chain, block }) => chain === chainId && BigInt(block) === blockNo),
    )
  }

  async *#batches(isAsked: (columns: BlockColumns) => boolean): AsyncGenerator<readonly BlockColumns[]> {
    for await (const batch of this.blocks({ chain: undefined, ids: undefined })) {
      const asked = batch.filter(isAsked)
      this.read.blocks += asked.length
      yield asked
    }
  }
}

/** As a verifier asks: rows are a method there, and a list here. */
function sourceOf(trail: PartedTrail): IncrementalSource {
  return new Proxy(trail, {
    get(target, name) {
      if (name === 'rows') {
        return async function* (range: IdRange) {
          for await (const batch of trail.evidence(range, { chain: undefined, ids: undefined })) {
            trail.read.rows += batch.length
            yield batch
          }
        }
      }
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  }) as unknown as IncrementalSource
}

export interface WatchedRun extends IncrementalReport {
  readonly found: readonly Finding[]
  readonly next: VerifyState | undefined
}

/** A verifier with its key and the text of its state. */
export class Watcher {
  readonly trail: PartedTrail
  trust: Trust
  text: string | undefined
  key = generateNoteKey(verifierKeyName(LOG))
  fullEveryMs = 30 * DAY

  constructor(trail: PartedTrail, trust: Partial<Trust> = {}) {
    this.trail = trail
    this.trust = { ...NO_TRUST, ...trust }
  }

  get state(): VerifyState | undefined {
    return this.text === undefined ? undefined : openState(this.text, [this.key.signer.key]).state
  }

  async run(now: number, anchors = new Anchors()): Promise<WatchedRun> {
    const found: Finding[] = []
    const { report, next } = await verifyOnwards(sourceOf(this.trail), {
      trust: this.trust,
      anchors,
      onFinding: (finding) => found.push(finding),
      state: this.state,
      log: LOG,
      before: undefined,
      sumKey: sumKeyOf(this.key.signer, TRAIL),
      now,
      fullEveryMs: this.fullEveryMs,
    })
    if (next !== undefined) this.text = stateText(next, this.key.signer)
    return { ...report, found, next }
  }

  /** Runs once a day, from that day on. @returns the number of the first day with findings, from 1 */
  async daysUntilFound(now: number, days: number): Promise<number | undefined> {
    for (let day = 1; day <= days; day++) {
      const { found } = await this.run(now + day * DAY)
      if (found.length > 0) return day
    }
    return undefined
  }
}
