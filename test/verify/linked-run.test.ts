import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { blockHash } from '../../src/chain/block.js'
import { type BlockColumns, textOfColumns } from '../../src/chain/block-columns.js'
import { signatureLines } from '../../src/chain/note.js'
import { type ChainSummary, ChainWalk } from '../../src/verify/chain-walk.js'
import { type Finding, FindingLog } from '../../src/verify/finding.js'
import { SignatureChecks } from '../../src/verify/signature-checks.js'
import { NO_TRUST } from '../../src/verify/trust.js'
import { eventOf, signerOf, VectorChain } from './vectors/builder.js'

// What is proven, and what is found, is the same whether each signature is checked or the last of each run only.

const LOG = 'otel-audit/runs'

const chain = new VectorChain(LOG, 'runs', 1_795_651_200_000_000)
let id = 0n
const access = () => eventOf({ auditId: (id += 10n), occurredAt: 0 })
chain.data(access()).data(access(), access()).data(access()).end('idle').data(access()).data(access())
chain.rotate().data(access()).data(access(), access()).end('idle').data(access()).data(access())
chain.end('close')
const KEYS = [signerOf('runs', chain.signer.name), chain.signer, signerOf('a stranger', chain.signer.name)]

type Table = { -readonly [K in keyof BlockColumns]: BlockColumns[K] }[]

interface Walked {
  readonly summary: ChainSummary
  readonly found: readonly Finding[]
}

/** The sample is not checked: nothing but the runs is to show what they show. */
function walk(table: Table, every: boolean): Walked {
  const found: Finding[] = []
  const findings = new FindingLog((finding) => found.push(finding))
  const checks = new SignatureChecks(every, findings)
  const walked = new ChainWalk(chain.id, NO_TRUST, findings, checks)
  for (const columns of table) walked.add(columns)
  const summary = walked.end()
  if (every) expect(checks.coverage.of).toBe(table.length)
  return { summary, found }
}

type Attack = (table: Table) => void

const at = fc.nat({ max: chain.blocks.length - 1 })

function relinked(table: Table, from: number, to: number, sign?: (columns: BlockColumns) => string): void {
  for (let i = from; i <= Math.min(to, table.length - 1); i++) {
    const [columns, before] = [table[i], table[i - 1]]
    if (columns === undefined) return
    if (i === from) columns.lostTotal += 1n
    else if (before !== undefined) columns.prevHash = blockHash(textOfColumns(before))
    if (sign !== undefined) columns.signatures = sign(columns)
  }
}

const flipped = (signatures: string): string =>
  signatures.replace(/ ([^ \n]+)\n$/, (_, encoded: string) => {
    const bytes = Buffer.from(encoded, 'base64')
    bytes[20] = (bytes[20] ?? 0) ^ 4
    return ` ${bytes.toString('base64')}\n`
  })

const set = (columns: Partial<Table[number]>) => (i: number) => (table: Table) =>
  void Object.assign(table[i] ?? {}, columns)

const attack: fc.Arbitrary<Attack> = fc.oneof(
  at.map((i) => (table: Table) => void table.splice(i, 1)),
  at.map(
    (i) => (table: Table) => void table.splice(i, 0, ...table.slice(i, i + 1).map((one) => ({ ...one }))),
  ),
  at.map(set({ lostTotal: 3n })),
  at.map(set({ blockTime: 5n })),
  at.map(set({ root: Buffer.alloc(32) })),
  at.map(set({ prevHash: Buffer.alloc(32) })),
  at.map(set({ log: 'otel-audit/other' })),
  at.map(set({ kind: 'bogus' })),
  at.map(set({ signatures: '' })),
  at.map((i) => (table: Table) => void (table[i] && (table[i].signatures = flipped(table[i].signatures)))),
  fc.tuple(at, at).map(
    ([i, j]) =>
      (table: Table) =>
        void (table[i] && (table[i].signatures = table[j]?.signatures ?? '')),
  ),
  fc.tuple(at, at).map(
    ([i, j]) =>
      (table: Table) =>
        relinked(table, i, j),
  ),
  fc.tuple(at, at, fc.constantFrom(...KEYS)).map(
    ([i, j, key]) =>
      (table: Table) =>
        relinked(table, i, j, (columns) => signatureLines(textOfColumns(columns), [key])),
  ),
)

const said = ({ code, block, message }: Finding): string => `${code} ${block} ${message}`

test('nothing was done: nothing is found', () => {
  const table = chain.blocks.map(({ columns }) => ({ ...columns }))
  expect([walk(table, false).found, walk(table, true).found]).toEqual([[], []])
})

test('after any attacks, runs prove what single signatures prove, and accuse whatever they do not prove', () => {
  fc.assert(
    fc.property(fc.array(attack, { minLength: 1, maxLength: 4 }), (attacks) => {
      const table: Table = chain.blocks.map(({ columns }) => ({ ...columns }))
      for (const one of attacks) one(table)
      const [runs, single] = [walk(table, false), walk(table, true)]
      const { doubts, ...summary } = single.summary
      const { doubts: doubtsOfRuns, ...summaryOfRuns } = runs.summary
      expect(summaryOfRuns).toEqual(summary)
      for (let number = -1; number <= chain.blocks.length; number++) {
        expect(doubtsOfRuns.isProven(number)).toBe(doubts.isProven(number))
        expect(doubtsOfRuns.isThere(number)).toBe(doubts.isThere(number))
        expect(doubtsOfRuns.isUnusable(number)).toBe(doubts.isUnusable(number))
      }
      const left = single.found.map(said)
      for (const finding of runs.found) {
        expect(left).toContain(said(finding))
        left.splice(left.indexOf(said(finding)), 1)
      }
      // What is left are signature lines of blocks that a later one proves, where anything is proven at all.
      for (const finding of left) {
        const [code, block] = finding.split(' ')
        const isProven = doubts.isProven(Number(block)) || !doubts.isProven(0)
        expect([code, isProven]).toEqual(['block-signature', true])
      }
    }),
    { numRuns: 600 },
  )
})
