import { describe, expect, test } from 'vitest'
import { bodyText } from '../../src/chain/block.js'
import { parseBlock } from '../../src/chain/block-parse.js'
import { generateNoteKey } from '../../src/chain/note-key.js'
import { WriterChain } from '../../src/chain/writer-chain.js'
import { buildEvent } from '../../src/event/event.js'

// What a genesis block says of its writer: the same text as its rows, and one that every language reads alike.

const TRAIL = '5f0c2a9e7b1d4c8083e6f1a2b3c4d5e6'

function genesisOf(service: string, instance = 'i-1'): string {
  const chain = new WriterChain({
    log: 'otel-audit/wallet',
    service,
    instance,
    version: '0.1.0',
    trail: TRAIL,
    now: () => 1,
    lost: () => 0,
  })
  const row = { event: { auditId: 1n }, digest: Buffer.alloc(32) }
  return chain.prepareRows([row]).text
}

const HOSTILE = [
  'x\ud83d',
  '\udc00x',
  'a\ud800b\udc00',
  'x\ny',
  'x\0y',
  '\u007f',
  'next\u0085line',
  '\t',
  'ü'.repeat(300),
  `${'x'.repeat(255)}😀`,
]
const HARMLESS = ['', 'wallet', 'say "hi" \\ bye', 'line\u2028separator', '\u00fc', 'u\u0308', '😀', '\ufeff']

describe('the genesis block', () => {
  test.each([...HOSTILE, ...HARMLESS])('says of %j what the rows say', (given) => {
    const event = buildEvent(
      { credential: 'c', operation: 'get_credential', outcome: 'ok' },
      { auditId: 1n, occurredAt: 1, serviceName: given, serviceInstanceId: given },
    )
    const { opening } = parseBlock(genesisOf(given, given))
    expect(opening).toMatchObject({ service: event.serviceName, instance: event.serviceInstanceId })
    if (HARMLESS.includes(given)) expect(opening?.service).toBe(given)
  })

  test.each([
    ['a lone surrogate, as an escape', '"x\\ud83d"'],
    ['a lone low surrogate', '"\\udc00x"'],
    ['two of them the wrong way round', '"\\udc00\\ud800"'],
    ['a newline', '"x\\ny"'],
    ['a tab', '"\\t"'],
    ['NUL', '"\\u0000"'],
    ['DEL', '"\u007f"'],
    ['a control character of C1', '"\u0085"'],
    ['an escape that is not needed', '"\\u00fc"'],
    ['an escaped slash', '"a\\/b"'],
    ['a pair of surrogates as escapes', '"\\ud83d\\ude00"'],
    ['no quotation marks', 'x'],
    ['text after it', '"x" '],
  ])('with %s in a string is refused', (_, json) => {
    for (const name of ['service', 'instance']) {
      const text = genesisOf('wallet').replace(new RegExp(`^${name} .*$`, 'm'), () => `${name} ${json}`)
      expect(text).toContain(json)
      expect(() => parseBlock(text)).toThrow(
        expect.objectContaining({ code: 'AUDIT_BLOCK_MALFORMED', message: expect.stringContaining(name) }),
      )
    }
  })

  test('needs two escapes, and no library for them', () => {
    const { verifierKey } = generateNoteKey('x')
    const opening = {
      service: 'a"b\\c',
      instance: '\u2028',
      version: '0.1.0',
      trail: TRAIL,
      system: undefined,
      continues: undefined,
    }
    expect(bodyText({ writer: verifierKey, opening })).toBe(
      `writer ${verifierKey}\nservice "a\\"b\\\\c"\ninstance "\u2028"\nversion 0.1.0\ntrail ${TRAIL}\nsystem -\n`,
    )
  })
})
