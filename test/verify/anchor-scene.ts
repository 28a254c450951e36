import { readAnchors } from '../../src/verify/anchor-file.js'
import { Anchors } from '../../src/verify/anchors.js'
import { MemoryTrail, MemoryWriter, type Verified, verified } from './memory-trail.js'

// Anchors as collectors and backends write them.

export type Values = Readonly<Record<string, unknown>>

/** A value of OTLP/JSON. */
export const wrapped = (value: unknown): unknown =>
  typeof value === 'string'
    ? { stringValue: value }
    : typeof value === 'number'
      ? { intValue: String(value) }
      : value
export const listed = (values: Values): object[] =>
  Object.entries(values).map(([key, value]) => ({ key, value: wrapped(value) }))
export const traces = (...spans: object[]): object => ({ resourceSpans: [{ scopeSpans: [{ spans }] }] })
export const logs = (...logRecords: object[]): object => ({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] })
export const span = (values: Values, name = 'secret_audit commit'): object => ({
  name,
  attributes: listed(values),
})

export const line = (...values: object[]): string => values.map((value) => JSON.stringify(value)).join('\n')
export const codes = ({ found }: Verified): string[] => found.map(({ code }) => code)

/** One chain: genesis and three blocks of 2, 3 and 1 rows. */
export class AnchorScene {
  readonly trail = new MemoryTrail()
  readonly writer = new MemoryWriter(this.trail)

  constructor() {
    for (const size of [2, 3, 1]) this.writer.write(size)
  }

  /** What the span of each block says. */
  sayings(): Values[] {
    return this.writer.sent.map(({ block, hash }) => ({
      'secret_audit.log': block.log,
      'secret_audit.chain': block.chain,
      'secret_audit.block': block.number,
      'secret_audit.block_hash': hash.toString('hex'),
    }))
  }

  saying(block = 2, other: Values = {}): Values {
    return { ...this.sayings()[block], ...other }
  }

  noteOf(block: number): string {
    return this.writer.sent[block]?.note ?? ''
  }

  /** Verifies the trail with a file of anchors. */
  async held(text: string, origin?: string): Promise<Verified & { readonly lines: object }> {
    const anchors = new Anchors()
    const lines = await readAnchors(text.split(/\r?\n/), anchors)
    return { ...(await verified(this.trail, { origin }, {}, anchors)), lines }
  }
}

/** The blocks of the scene, genesis among them. */
export const ALL = 4
