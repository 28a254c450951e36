import type { BlockColumns } from '../../../src/chain/block-columns.js'
import type { SignedBlock } from '../../../src/chain/signed-block.js'
import { eventDigest } from '../../../src/event/digest.js'
import type { AuditEvent } from '../../../src/event/event.js'
import { rekeyEvent } from '../../../src/event/event.js'
import type { NoteSigner } from '../../../src/chain/note-key.js'
import { makeRowProof, type RowProof } from '../../../src/verify/row-proof.js'
import { eventOf, type PlacedRow, signerOf, VectorChain } from './builder.js'
import { blockJson, rowJson, type Tables } from './tables.js'

// The trail that every case begins with.

export const LOG = 'otel-audit/vectors'
const OTHER_LOG = 'otel-audit/elsewhere'
/** 2026-11-26, µs since the Unix epoch. */
export const START = 1_795_651_200_000_000
const FIRST_ID = 384_000_000_000_000_000n

/** Two keys of one name: the operator had another one before. */
export const OPERATORS: readonly [NoteSigner, NoteSigner] = [
  signerOf('enrolment/1', `${LOG}/enrolment`),
  signerOf('enrolment/2', `${LOG}/enrolment`),
]
export const WITNESS = signerOf('witness', 'witness.example/w')

let nextId = FIRST_ID
const access = (fields: Partial<AuditEvent> = {}): AuditEvent => {
  nextId += 1000n
  const occurredAt = START + Number((nextId - FIRST_ID) / 1000n)
  return eventOf({ auditId: nextId, occurredAt, serviceName: 'wallet', ...fields })
}
const accesses = (count: number): AuditEvent[] =>
  Array.from({ length: count }, (_, i) => access({ workerId: `w-${i % 3}` }))

/** Rows from before signing began: with a digest, and of the original without. */
export const BEFORE: readonly PlacedRow[] = [access(), access(), access({ notes: '' })].map((event, i) => ({
  event,
  digest: i === 0 ? null : eventDigest(event),
  chain: null,
  block: null,
  index: null,
}))

const UNICODE: readonly Partial<AuditEvent>[] = [
  { credential: 'k\u00fcche' },
  { credential: 'ku\u0308che' },
  { credential: 'line\u2028separator', notes: 'emoji 😀 and \ufeff' },
  { credential: 'c', notes: '' },
  { credential: 'c', notes: null },
  { executionId: -2n, parentExecutionId: -(2n ** 63n) },
  { executionId: 2n ** 63n - 1n, parentExecutionId: 2n ** 53n + 1n },
  { occurredAt: -1 },
  { occurredAt: 0 },
  { occurredAt: -2_208_988_800_000_001 },
  { attributesJson: '{ "a" : 1,\t"a": 2, "\\u00fc": "\u00fc" }' },
  {
    workerId: 'w',
    serverRegion: 'eu-1',
    brokerRegion: 'us-1',
    kekVersion: '7',
    actorId: 'alice',
    actorType: 'user',
    sourceAddress: '2001:db8::1',
    serviceInstanceId: 'i-2',
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    notes: 'control characters of C1 and DEL stand as escapes: \\u0085 \\u007f',
  },
]

function build(): { readonly chains: readonly VectorChain[] } {
  const [old, current] = OPERATORS
  const wallet = new VectorChain(LOG, 'wallet', START, {
    service: 'wallet',
    instance: 'i-1',
    enrolment: [old],
  })
  wallet
    .data(...accesses(1))
    .data(...accesses(2))
    .data(...accesses(3))
    .data(...accesses(195))
  wallet
    .end('idle')
    .data(...accesses(2))
    .rotate()
    .data(...accesses(5))
    .end('close')
  const unicode = new VectorChain(LOG, 'unicode', START + 5_000_000, {
    service: 'w\u00e4llet "\\" \u2028 😀',
    instance: '',
    enrolment: [current],
  })
  unicode.data(...UNICODE.map((fields) => access(fields))).end('idle')
  const next = new VectorChain(LOG, 'next', START + 20_000_000, {
    service: 'w\u00e4llet "\\" \u2028 😀',
    continues: { chain: unicode.id, block: 2 },
    enrolment: [old, current],
  })
  const [first, taken] = [access(), access()]
  next.data(first, { ...rekeyEvent(taken), auditId: taken.auditId + 7n }, access())
  // Blocks of two chains whose ids overlap.
  const [a, b, c, d] = [access(), access(), access(), access()]
  next.data(a, c)
  unicode.data(b, d)
  return { chains: [wallet, unicode, next] }
}

const { chains } = build()
export const [WALLET, UNICODE_CHAIN, NEXT] = chains as [VectorChain, VectorChain, VectorChain]

/** A chain of another log, with an enrolment key of its own: in no case but its own. */
export const OTHER_OPERATOR = signerOf('enrolment/elsewhere', `${OTHER_LOG}/enrolment`)
export const OTHER = new VectorChain(OTHER_LOG, 'elsewhere', START, { enrolment: [OTHER_OPERATOR] })
  .data(...accesses(2))
  .end('close')

/** A chain of another trail, of the same log and enrolled by the same operator: in no case but its own. */
export const FOREIGN = new VectorChain(LOG, 'foreign', START, {
  trail: '00112233445566778899aabbccddeeff',
  enrolment: [OPERATORS[1]],
})
  .data(...accesses(2))
  .end('close')

/** Signature lines that change nothing: of unknown keys, of 76 bytes as cosignatures have, twice, in any order. */
function withMoreLines({ columns, text }: SignedBlock): BlockColumns {
  const witness = signatureLine(WITNESS, text)
  const cosignature = signatureLine(WITNESS, text, Buffer.from('00000000655e0f00', 'hex'))
  const { signatures } = columns
  return { ...columns, signatures: witness + signatures + cosignature + signatures + witness }
}

/** @param between what stands between key id and signature */
export function signatureLine(
  signer: NoteSigner,
  text: string,
  between: Uint8Array = Buffer.alloc(0),
): string {
  const id = Buffer.from(signer.key.id, 'hex')
  const bytes = Buffer.concat([id, between, signer.sign(Buffer.from(text))])
  return `— ${signer.name} ${bytes.toString('base64')}\n`
}

const columnsOf = (chain: VectorChain, signed: SignedBlock): BlockColumns =>
  chain === WALLET && signed.block.number === 2 ? withMoreLines(signed) : signed.columns

export const HONEST: Tables = {
  rows: [...BEFORE, ...chains.flatMap(({ rows }) => rows)]
    .toSorted((a, b) => (a.event.auditId < b.event.auditId ? -1 : 1))
    .map(rowJson),
  blocks: chains
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .flatMap((chain) => chain.blocks.map((signed) => blockJson(columnsOf(chain, signed)))),
}

export function proofOf(chain: VectorChain, block: number, index: number): RowProof {
  const rows = chain.rows.filter((row) => row.block === block)
  const row = rows[index]
  const signed = chain.blocks[block]
  if (row === undefined || signed === undefined) throw new Error('no such row')
  const keys = chain.blocks.filter(({ block: { writer, number } }) => writer !== undefined && number < block)
  const digests = rows.map(({ digest }) => digest ?? Buffer.alloc(0))
  return makeRowProof(
    row.event,
    index,
    digests,
    signed.columns,
    keys.map(({ columns }) => columns),
  )
}
