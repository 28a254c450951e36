import { describe, expect, test } from 'vitest'
import { beginTrust, type Beginning, type BegunTrust } from '../../src/verify/begin-trust.js'
import { parseTrust } from '../../src/verify/trust.js'

const TRAIL = '5f0c2a9e7b1d4c8083e6f1a2b3c4d5e6'
const AT = new Date('2026-07-01T00:00:00Z')
const LOG = 'otel-audit/wallet'

type Chain = Beginning['chains'][number]

function aChain(digit: string, changed: Partial<Chain> = {}): Chain {
  return {
    chain: digit.repeat(32),
    log: LOG,
    system: '1',
    foreign: false,
    head: { block: 3, hash: Buffer.alloc(32, 0xab) },
    lastId: 41n,
    enrolled: false,
    ...changed,
  }
}

function begun(
  chains: readonly Chain[],
  { system = '1', origin }: { readonly system?: string | null; readonly origin?: string } = {},
): BegunTrust {
  return beginTrust({ trail: TRAIL, system, chains }, { origin, enrolment: [], at: AT })
}

describe('the trust that begins', () => {
  test('pins each chain at its last proven block, on its server, up to the last row', () => {
    const { text, pinned, remarks } = begun([aChain('a'), aChain('b', { lastId: 99n })])
    expect(parseTrust(text)).toMatchObject({
      origin: LOG,
      trails: [TRAIL],
      systems: ['1'],
      unenrolledBefore: 100n,
      heads: ['a', 'b'].map((digit) => ({ chain: digit.repeat(32), block: 3, hash: Buffer.alloc(32, 0xab) })),
    })
    expect([pinned, remarks]).toEqual([2, []])
    expect(text).toContain(
      '2026-07-01T00:00:00.000Z, from what was there: it is not proof of what was before',
    )
  })

  test('lets no unenrolled row pass where all chains are enrolled, or none has a row', () => {
    for (const chain of [aChain('a', { enrolled: true }), aChain('a', { lastId: undefined })]) {
      expect(parseTrust(begun([chain]).text).unenrolledBefore).toBeUndefined()
    }
  })

  test.each([
    ['is of another trail', { head: undefined, foreign: true }],
    ['has no block that is proven', { head: undefined }],
    ['has no block that is proven', { log: undefined }],
  ])('pins none that %s', (why, changed) => {
    const { text, pinned, remarks } = begun([aChain('a'), aChain('b', changed)])
    expect(pinned).toBe(1)
    expect(text).not.toContain('b'.repeat(32))
    expect(remarks).toEqual([`chain ${'b'.repeat(32)} ${why}: it is not pinned, and will be a finding`])
  })

  test('is of the log that the auditor names', () => {
    const chains = [aChain('a'), aChain('b', { log: 'otel-audit/other' })]
    const { text, pinned, remarks } = begun(chains, { origin: 'otel-audit/other' })
    expect(parseTrust(text)).toMatchObject({ origin: 'otel-audit/other', heads: [{ chain: 'b'.repeat(32) }] })
    expect(pinned).toBe(1)
    expect(remarks).toEqual([
      `chain ${'a'.repeat(32)} is of log ${LOG}: it is not pinned, and will be a finding`,
    ])
  })

  test('asks which log is meant, where it cannot know', () => {
    expect(() => begun([aChain('a'), aChain('b', { log: 'x' })])).toThrow(
      `there are chains of ${LOG} and x: say which one is meant (--origin)`,
    )
    expect(() => begun([])).toThrow('no chain names a log: say which one is meant (--origin)')
    expect(parseTrust(begun([], { origin: LOG }).text)).toMatchObject({ origin: LOG })
  })

  test.each([
    ['the database does not say its own', null, '1'],
    ['a chain does not say where it began', '1', undefined],
  ])('names no server where %s', (_name, system, began) => {
    const { text, remarks } = begun([aChain('a', { system: began })], { system })
    expect(text).not.toContain('system ')
    expect(remarks).toEqual(['the server, or that of a chain, is not known: the file has no line "system"'])
  })

  test('names all servers on which a chain began, and says so', () => {
    const { text, remarks } = begun([aChain('a', { system: '7' }), aChain('b')])
    expect(parseTrust(text).systems).toEqual(['7', '1'])
    expect(remarks).toEqual([expect.stringContaining('chains began on 2 servers')])
  })
})
