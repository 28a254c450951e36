import type { BlockColumns } from '../../src/chain/block-columns.js'
import type { NoteSigner } from '../../src/chain/note-key.js'
import type { SignedBlock } from '../../src/chain/signed-block.js'
import { WriterChain } from '../../src/chain/writer-chain.js'
import { Anchors } from '../../src/verify/anchors.js'
import type { Finding } from '../../src/verify/finding.js'
import type { IdRange, RowBlock, CheckedRow, Selection } from '../../src/verify/source.js'
import { NO_TRUST, type Trust } from '../../src/verify/trust.js'
import { verify, type VerifyReport } from '../../src/verify/verify.js'
import { eventDigest } from '../../src/event/digest.js'
import type { AuditEvent } from '../../src/event/event.js'
import { anEvent, batchOf } from '../support/events.js'

export const LOG = 'otel-audit/wallet'
export const TRAIL = '5f0c2a9e7b1d4c8083e6f1a2b3c4d5e6'
const SYSTEM = '7412345678901234567'
const NOW = 1_764_153_600_000_000

/** A row as the table has it. */
export interface StoredRow {
  event: AuditEvent
  digest: Buffer | null
  chain: string | null
  block: number | null
  index: number | null
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }
export type StoredBlock = Writable<BlockColumns>

/** Both tables, in memory, for whoever wants to write to them honestly or not. */
export class MemoryTrail {
  rows: StoredRow[] = []
  table: StoredBlock[] = []

  async *blocks({ chain }: Selection): AsyncGenerator<readonly BlockColumns[]> {
    const sorted = this.table
      .filter((block) => chain === undefined || block.chainId === chain)
      .toSorted((a, b) =>
        a.chainId === b.chainId ? Number(a.blockNo - b.blockNo) : a.chainId < b.chainId ? -1 : 1,
      )
    yield* inBatches(sorted)
  }

  async *rowBlocks({ chain, ids }: Selection): AsyncGenerator<readonly RowBlock[]> {
    const found = this.table.flatMap(({ chainId, blockNo, minId, maxId, rowCount, root }) =>
      minId === null || maxId === null || (chain !== undefined && chain !== chainId)
        ? []
        : [{ chain: chainId, block: Number(blockNo), minId, maxId, rowCount, root }],
    )
    const asked = found.filter(
      ({ minId, maxId }) => ids === undefined || (maxId >= ids.first && minId <= ids.last),
    )
    yield* inBatches(asked.toSorted((a, b) => (a.minId < b.minId ? -1 : 1)))
  }

  async *evidence(range: IdRange, { chain }: Selection): AsyncGenerator<readonly CheckedRow[]> {
    const found = this.rows
      .filter(({ event }) => event.auditId >= range.first && event.auditId <= range.last)
      .filter((row) => chain === undefined || row.chain === chain)
      .toSorted((a, b) => (a.event.auditId < b.event.auditId ? -1 : 1))
    yield* inBatches(
      found.map(({ event, digest, ...place }) => ({
        ...place,
        auditId: event.auditId,
        originalAuditId: event.originalAuditId,
        computed: eventDigest(event),
        stored: digest,
      })),
    )
  }

  /** The rows of a block, in order. */
  rowsOf(chain: string, block: number): StoredRow[] {
    return this.rows.filter((row) => row.chain === chain && row.block === block)
  }

  rowAt(chain: string, block: number, index: number): StoredRow {
    const row = this.rowsOf(chain, block).find((candidate) => candidate.index === index)
    if (row === undefined) throw new Error('no such row')
    return row
  }

  blockAt(chain: string, block: number): StoredBlock {
    const found = this.table.find(({ chainId, blockNo }) => chainId === chain && Number(blockNo) === block)
    if (found === undefined) throw new Error('no such block')
    return found
  }

  dropBlock(chain: string, block: number): void {
    this.table = this.table.filter((candidate) => candidate !== this.blockAt(chain, block))
  }

  dropRows(chain: string, from = 0): void {
    this.rows = this.rows.filter((row) => row.chain !== chain || (row.block ?? 0) < from)
  }

  insert(...rows: StoredRow[]): void {
    this.rows.push(...rows)
  }
}

async function* inBatches<T>(items: readonly T[]): AsyncGenerator<readonly T[]> {
  for (let i = 0; i < items.length; i += 3) yield items.slice(i, i + 3)
}

export function chainOf(log: string, enrolment?: NoteSigner, trail = TRAIL): WriterChain {
  let time = NOW - 3_600_000_000
  return new WriterChain({
    log,
    service: 'wallet',
    instance: 'i-1',
    version: '0.1.0',
    trail,
    system: SYSTEM,
    enrolment,
    now: () => (time += 1000),
    lost: () => 0,
  })
}

/** One process that writes to a trail. */
export class MemoryWriter {
  readonly trail: MemoryTrail
  readonly sent: SignedBlock[] = []
  chain: WriterChain

  constructor(trail: MemoryTrail, enrolment?: NoteSigner, chain?: WriterChain) {
    this.trail = trail
    this.chain = chain ?? chainOf(LOG, enrolment)
  }

  get id(): string {
    return this.chain.id
  }

  write(count: number, make: () => AuditEvent = () => anEvent()): StoredRow[] {
    const batch = batchOf(...Array.from({ length: count }, make))
    for (;;) {
      const { block } = this.#store(this.chain.prepareRows(batch.entries))
      if (block.kind !== 'data') continue
      const rows = batch.entries.map(({ event, digest }, index) => ({
        event,
        digest,
        chain: this.id,
        block: block.number,
        index,
      }))
      this.trail.rows.push(...rows)
      return rows
    }
  }

  end(kind: 'idle' | 'close'): void {
    for (;;) {
      const block = this.chain.prepareEnd(kind)
      if (block === undefined) return
      if (this.#store(block).block.kind === kind) return
    }
  }

  #store(signed: SignedBlock): SignedBlock {
    this.chain.sending()
    this.chain.acknowledged()
    this.sent.push(signed)
    this.trail.table.push({ ...signed.columns })
    return signed
  }
}

export interface Verified extends VerifyReport {
  readonly found: readonly Finding[]
}

export async function verified(
  trail: MemoryTrail,
  trust: Partial<Trust> = {},
  selection: Partial<Selection> = {},
  anchors = new Anchors(),
  everySignature?: boolean,
): Promise<Verified> {
  const found: Finding[] = []
  const report = await verify(
    {
      alterations: async () => [],
      blocks: (...args) => trail.blocks(...args),
      rowBlocks: (...args) => trail.rowBlocks(...args),
      rows: (range, chosen) => trail.evidence(range, chosen),
    },
    {
      trust: { ...NO_TRUST, ...trust },
      selection: { chain: undefined, ids: undefined, ...selection },
      anchors,
      everySignature,
      onFinding: (finding) => found.push(finding),
    },
  )
  return { ...report, found }
}
