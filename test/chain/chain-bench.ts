import type { BlockColumns } from '../../src/chain/block-columns.js'
import type { SignedBlock } from '../../src/chain/signed-block.js'
import { type BatchRow, WriterChain, type WriterChainOptions } from '../../src/chain/writer-chain.js'
import { anEvent, batchOf } from '../support/events.js'

export const TRAIL = '5f0c2a9e7b1d4c8083e6f1a2b3c4d5e6'
export const OPTIONS: WriterChainOptions = {
  log: 'otel-audit/wallet',
  service: 'wallet',
  instance: 'i-1',
  version: '0.1.0',
  trail: TRAIL,
  system: '7412345678901234567',
  now: () => 1_764_153_600_000_000,
  lost: () => 0,
}
export const someRows = (count: number): readonly BatchRow[] =>
  batchOf(...Array.from({ length: count }, () => anEvent())).entries

/** A chain, and the table that its blocks go to. */
export class Bench {
  readonly chain: WriterChain
  readonly stored: SignedBlock[] = []

  constructor(
    options: Partial<WriterChainOptions> = {},
    chain = new WriterChain({ ...OPTIONS, ...options }),
  ) {
    this.chain = chain
  }

  /** Sends one block, and it is stored. */
  store(block: SignedBlock | undefined): SignedBlock {
    if (block === undefined) throw new Error('nothing to send')
    this.chain.sending()
    this.stored.push(block)
    this.chain.acknowledged()
    return block
  }

  /** Sends what it takes to get these rows stored. */
  write(rows: readonly BatchRow[]): SignedBlock {
    for (;;) {
      const block = this.store(this.chain.prepareRows(rows))
      if (block.block.kind === 'data') return block
    }
  }

  end(kind: 'idle' | 'close'): SignedBlock {
    for (;;) {
      const block = this.store(this.chain.prepareEnd(kind))
      if (block.block.kind === kind) return block
    }
  }

  /** Sends it, and nobody knows what became of it. */
  doubt(block: SignedBlock): SignedBlock {
    this.chain.sending()
    this.chain.unknown()
    return block
  }

  /** Sends it, and the server answers ERROR. */
  refuse(): boolean {
    this.chain.sending()
    return this.chain.refused()
  }

  /** The two newest blocks of the table, as a reconnecting writer reads them. */
  newest(): BlockColumns[] {
    return this.stored
      .slice(-2)
      .toReversed()
      .map(({ columns }) => columns)
  }
}
