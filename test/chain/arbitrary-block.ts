import * as fc from 'fast-check'
import {
  type Block,
  chainKeyName,
  type ChainOpening,
  NO_PREVIOUS,
  WITHOUT_ROWS,
} from '../../src/chain/block.js'
import { storableText } from '../../src/event/text.js'
import { VerifierKey } from '../../src/chain/note-key.js'
import { isWeakKey } from '../../src/chain/weak-key.js'

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
const chainId = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((id) => Buffer.from(id).toString('hex'))
const count = fc.nat({ max: Number.MAX_SAFE_INTEGER })
const auditId = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })
const logName = fc.constantFrom('otel-audit/wallet', 'log.example', 'ü%20/x')

const storable = (text: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  text.map((original) => storableText(original, 256).text)

const opening: fc.Arbitrary<ChainOpening> = fc.record({
  service: storable(fc.string({ unit: 'binary' })),
  instance: storable(fc.string({ unit: 'grapheme' })),
  version: fc.constantFrom('0.1.0', '1.0.0-rc.1+build'),
  trail: chainId,
  system: fc.option(fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }).map(String), { nil: undefined }),
  continues: fc.option(fc.record({ chain: chainId, block: count }), { nil: undefined }),
})

const rows = fc
  .uniqueArray(auditId, { minLength: 1, maxLength: 2 })
  .map((ids) => [...ids].sort((a, b) => (a < b ? -1 : 1)))
  .map(([first = 0n, last = first]) => ({ ids: { first, last } }))

/** Any block that can be. */
export const arbitraryBlock: fc.Arbitrary<Block> = fc
  .record({
    kind: fc.constantFrom(
      'genesis' as const,
      'data' as const,
      'idle' as const,
      'rotate' as const,
      'close' as const,
    ),
    log: logName,
    chain: chainId,
    number: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    prev: bytes32,
    root: bytes32,
    ids: rows,
    many: fc.integer({ min: 2, max: 100_000 }),
    before: fc.nat({ max: Number.MAX_SAFE_INTEGER - 100_000 }),
    lost: count,
    time: count,
    key: bytes32.filter((key) => !isWeakKey(key)),
    opening,
  })
  .map(({ kind, ids: { ids }, many, before, key, ...rest }) => {
    const isGenesis = kind === 'genesis'
    const count = ids.first === ids.last ? 1 : many
    const contents = kind === 'data' ? { ids, rows: count, root: rest.root } : WITHOUT_ROWS
    const named = new VerifierKey(chainKeyName(rest.log, rest.chain), key).toString()
    return {
      ...rest,
      kind,
      ...contents,
      number: isGenesis ? 0 : rest.number,
      prev: isGenesis ? NO_PREVIOUS : rest.prev,
      rowsTotal: isGenesis ? 0 : before + contents.rows,
      writer: isGenesis || kind === 'rotate' ? named : undefined,
      opening: isGenesis ? rest.opening : undefined,
    }
  })
