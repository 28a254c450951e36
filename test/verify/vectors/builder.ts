import { createHash, createPrivateKey } from 'node:crypto'
import {
  type Block,
  chainIdOf,
  chainKeyName,
  NO_PREVIOUS,
  rowLeaf,
  WITHOUT_ROWS,
} from '../../../src/chain/block.js'
import { merkleRoot } from '../../../src/chain/merkle.js'
import { NoteSigner } from '../../../src/chain/note-key.js'
import { type SignedBlock, signBlock } from '../../../src/chain/signed-block.js'
import { eventDigest } from '../../../src/event/digest.js'
import type { AuditEvent } from '../../../src/event/event.js'

/** A key that is not secret: its 32 bytes are SHA-256 of `otel-audit/vectors/` and the seed. */
export function signerOf(seed: string, name: string): NoteSigner {
  const bytes = createHash('sha256').update(`otel-audit/vectors/${seed}`).digest()
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), bytes])
  return new NoteSigner(name, createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }))
}

export const TRAIL = '5f0c2a9e7b1d4c8083e6f1a2b3c4d5e6'
export const SYSTEM = '7412345678901234567'

export interface PlacedRow {
  readonly event: AuditEvent
  readonly digest: Buffer | null
  readonly chain: string | null
  readonly block: number | null
  readonly index: number | null
}

const NOTHING: AuditEvent = Object.freeze({
  auditId: 0n,
  occurredAt: 0,
  credential: 'orders-db',
  operation: 'get_credential',
  outcome: 'ok',
  workerId: null,
  executionId: null,
  parentExecutionId: null,
  serverRegion: null,
  brokerRegion: null,
  kekVersion: null,
  notes: null,
  actorId: null,
  actorType: null,
  sourceAddress: null,
  serviceName: null,
  serviceInstanceId: null,
  traceId: null,
  spanId: null,
  attributesJson: null,
  originalAuditId: null,
})

export const eventOf = (fields: Partial<AuditEvent>): AuditEvent => ({ ...NOTHING, ...fields })

export interface Opening {
  readonly service?: string
  readonly instance?: string
  readonly trail?: string
  readonly continues?: Block['opening'] extends infer T
    ? T extends { continues: infer C }
      ? C
      : never
    : never
  readonly enrolment?: readonly NoteSigner[]
}

/** One chain whose keys and times are fixed, so that its bytes are. */
export class VectorChain {
  readonly id: string
  readonly log: string
  readonly blocks: SignedBlock[] = []
  readonly rows: PlacedRow[] = []
  readonly #seed: string
  signer: NoteSigner
  #time: number
  #rotations = 0

  constructor(log: string, seed: string, time: number, opening: Opening = {}) {
    this.log = log
    this.#seed = seed
    this.#time = time
    const { publicKey } = signerOf(seed, 'x').key
    this.id = chainIdOf(publicKey)
    this.signer = signerOf(seed, chainKeyName(log, this.id))
    const { service = '', instance = '', trail = TRAIL, continues, enrolment = [] } = opening
    this.#add('genesis', WITHOUT_ROWS, [this.signer, ...enrolment], {
      writer: this.signer.verifierKey,
      opening: { service, instance, version: '0.1.0', trail, system: SYSTEM, continues },
    })
  }

  get head(): SignedBlock {
    const head = this.blocks.at(-1)
    if (head === undefined) throw new Error('no genesis')
    return head
  }

  data(...events: readonly AuditEvent[]): this {
    const block = this.blocks.length
    const rows = events.map((event, index) => ({
      event,
      digest: eventDigest(event),
      chain: this.id,
      block,
      index,
    }))
    this.rows.push(...rows)
    const root = merkleRoot(rows.map(({ digest, index }) => rowLeaf(this.id, block, index, digest)))
    const ids = { first: events[0]?.auditId ?? 0n, last: events.at(-1)?.auditId ?? 0n }
    return this.#add('data', { ids, rows: rows.length, root }, [this.signer])
  }

  end(kind: 'idle' | 'close'): this {
    return this.#add(kind, WITHOUT_ROWS, [this.signer])
  }

  rotate(): this {
    this.#rotations++
    const next = signerOf(`${this.#seed}/${this.#rotations}`, this.signer.name)
    this.#add('rotate', WITHOUT_ROWS, [this.signer, next], { writer: next.verifierKey })
    this.signer = next
    return this
  }

  #add(
    kind: Block['kind'],
    contents: Pick<Block, 'ids' | 'rows' | 'root'>,
    signers: readonly NoteSigner[],
    opening: Partial<Pick<Block, 'writer' | 'opening'>> = {},
  ): this {
    const last = this.blocks.at(-1)
    const block: Block = {
      log: this.log,
      chain: this.id,
      number: this.blocks.length,
      kind,
      prev: last?.hash ?? NO_PREVIOUS,
      ...contents,
      rowsTotal: (last?.block.rowsTotal ?? 0) + contents.rows,
      lost: last?.block.lost ?? 0,
      time: (this.#time += 1_000_000),
      writer: undefined,
      opening: undefined,
      ...opening,
    }
    this.blocks.push(signBlock(block, signers))
    return this
  }
}
