import { BLOCK_ATTRIBUTES, placeText } from '../../../src/otel/span-event.js'
import type { SignedBlock } from '../../../src/chain/signed-block.js'
import type { Codes } from './alterations.js'
import { NEXT, UNICODE_CHAIN, WALLET } from './honest.js'

// The four kinds of anchors as OTLP/JSON has them, and files of them that do not hold.

type Value = object
const text = (stringValue: string): Value => ({ stringValue })
const int = (value: number, asNumber = false): Value => ({ intValue: asNumber ? value : String(value) })

const attributes = (values: Readonly<Record<string, Value>>): object[] =>
  Object.entries(values).map(([key, value]) => ({ key, value }))
const traces = (...spans: object[]): object => ({
  resourceSpans: [{ resource: {}, scopeSpans: [{ scope: { name: 'otel-audit' }, spans }] }],
})
const logs = (...logRecords: object[]): object => ({
  resourceLogs: [{ resource: {}, scopeLogs: [{ scope: { name: 'otel-audit' }, logRecords }] }],
})

function saidOf({ block, hash }: SignedBlock, asNumber = false): Record<string, Value> {
  return {
    [BLOCK_ATTRIBUTES.log]: text(block.log),
    [BLOCK_ATTRIBUTES.chain]: text(block.chain),
    [BLOCK_ATTRIBUTES.block]: int(block.number, asNumber),
    [BLOCK_ATTRIBUTES.kind]: text(block.kind),
    [BLOCK_ATTRIBUTES.rows]: int(block.rows, asNumber),
    [BLOCK_ATTRIBUTES.hash]: text(hash.toString('hex')),
  }
}

const commit = (signed: SignedBlock, asNumber = false): object => ({
  name: 'secret_audit commit',
  attributes: attributes(saidOf(signed, asNumber)),
})

const blockOf = (chain: typeof WALLET, number: number): SignedBlock => {
  const signed = chain.blocks[number]
  if (signed === undefined) throw new Error('no such block')
  return signed
}

function strict(block: number, index: number, other: Readonly<Record<string, Value>> = {}): object {
  const id = WALLET.rows.find((row) => row.block === block && row.index === index)?.event.auditId
  return {
    name: 'secret_audit get_credential',
    attributes: attributes({
      'audit.record.id': text(String(id)),
      [BLOCK_ATTRIBUTES.place]: text(placeText({ log: WALLET.log, chain: WALLET.id, block, index })),
      'db.statement': text('line\u2028separator'),
      ...other,
    }),
  }
}

const noted = (signed: SignedBlock): Record<string, Value> => ({
  ...saidOf(signed),
  [BLOCK_ATTRIBUTES.note]: text(signed.note),
})

const logRecord = (signed: SignedBlock): object => ({
  eventName: 'secret_audit.anchor',
  severityNumber: 9,
  body: text(signed.note),
  attributes: attributes(noted(signed)),
})
const spanEvent = (signed: SignedBlock): object => ({
  name: 'secret_audit commit',
  attributes: attributes(saidOf(signed)),
  events: [{ name: 'secret_audit.anchor', attributes: attributes(noted(signed)) }],
})

const json = (...lines: readonly object[]): string =>
  lines.map((line) => `${JSON.stringify(line)}\n`).join('')

export const NOTES = [WALLET, UNICODE_CHAIN, NEXT]
  .flatMap(({ blocks }) => blocks.map(({ note }) => note))
  .join('')

/** One line of each kind, and both ways of writing an integer. */
export const ANCHORS = json(
  logs(logRecord(blockOf(WALLET, 9))),
  traces(spanEvent(blockOf(UNICODE_CHAIN, 2))),
  traces(commit(blockOf(WALLET, 4)), commit(blockOf(NEXT, 1), true)),
  traces(strict(4, 100)),
  { resourceMetrics: [] },
)

export interface AnchorCase {
  readonly what: string
  readonly anchors: string
  readonly codes: Codes
  readonly exit: 0 | 1 | 2
}

const one = (values: Readonly<Record<string, Value>>, name = 'secret_audit commit'): string =>
  json(traces({ name, attributes: attributes(values) }))
const four = (): Record<string, Value> => saidOf(blockOf(WALLET, 4))

export const ANCHOR_CASES: Readonly<Record<string, AnchorCase>> = {
  'hash-masked': {
    what: 'The hash of a block is masked.',
    anchors: one({ ...four(), [BLOCK_ATTRIBUTES.hash]: text('****') }),
    codes: { 'anchor-mismatch': 1 },
    exit: 1,
  },
  'hash-in-capitals': {
    what: 'A hash in capitals.',
    anchors: one({
      ...four(),
      [BLOCK_ATTRIBUTES.hash]: text(blockOf(WALLET, 4).hash.toString('hex').toUpperCase()),
    }),
    codes: { 'anchor-mismatch': 1 },
    exit: 1,
  },
  'hash-in-base64': {
    what: 'A hash in base64.',
    anchors: one({ ...four(), [BLOCK_ATTRIBUTES.hash]: text(blockOf(WALLET, 4).hash.toString('base64')) }),
    codes: { 'anchor-mismatch': 1 },
    exit: 1,
  },
  'index-beyond': {
    what: 'A strict span names an index that its block does not have.',
    anchors: json(
      traces(
        strict(4, 100, {
          [BLOCK_ATTRIBUTES.place]: text(`${WALLET.log}/${WALLET.id}/4/99999`),
        }),
      ),
    ),
    codes: { 'anchor-mismatch': 1 },
    exit: 1,
  },
  'place-masked': {
    what: 'The place of a row is masked, and cannot be read; the anchor before it is used.',
    anchors: one(four()) + json(traces(strict(4, 100, { [BLOCK_ATTRIBUTES.place]: text('****') }))),
    codes: {},
    exit: 2,
  },
  'record-id-of-another-row': {
    what: 'A strict span names the id of another row.',
    anchors: json(traces(strict(4, 100, { 'audit.record.id': text('1') }))),
    codes: { 'anchor-mismatch': 1 },
    exit: 1,
  },
  'span-renamed': {
    what: 'A processor has renamed the span: an anchor is found by its attributes.',
    anchors: one(four(), 'db.commit'),
    codes: {},
    exit: 0,
  },
  'chain-in-capitals': {
    what: 'A chain in capitals cannot be read; the anchor before it is used.',
    anchors: one(four()) + one({ ...four(), [BLOCK_ATTRIBUTES.chain]: text('A'.repeat(32)) }),
    codes: {},
    exit: 2,
  },
  'block-negative': {
    what: 'A negative number of a block cannot be read; the anchor before it is used.',
    anchors: one(four()) + one({ ...four(), [BLOCK_ATTRIBUTES.block]: int(-1) }),
    codes: {},
    exit: 2,
  },
  'block-a-double': {
    what: 'A number of a block as a double cannot be read; the anchor before it is used.',
    anchors: one(four()) + one({ ...four(), [BLOCK_ATTRIBUTES.block]: { doubleValue: 4 } }),
    codes: {},
    exit: 2,
  },
  'line-cut': {
    what: 'The last line is cut off.',
    anchors: `${one(four())}{"resourceSpans":[{"sc`,
    codes: {},
    exit: 2,
  },
  'none-empty': { what: 'An empty file has no anchor, which is an error.', anchors: '', codes: {}, exit: 2 },
  'none-of-others': {
    what: 'A file with nothing but what others sent has no anchor, which is an error.',
    anchors: '{"resourceSpans":[]}\n[]\n',
    codes: {},
    exit: 2,
  },
  'hash-not-of-its-note': {
    what: 'The hash beside a note is not that of the note.',
    anchors: one({ ...noted(blockOf(WALLET, 4)), [BLOCK_ATTRIBUTES.hash]: text('0'.repeat(64)) }),
    codes: { 'anchor-mismatch': 1 },
    exit: 1,
  },
  'body-not-its-note': {
    what: 'The body of a log record is another note than its attribute: both blocks that it names do not hold.',
    anchors: json(
      logs({
        body: text(blockOf(WALLET, 5).note),
        attributes: attributes({ [BLOCK_ATTRIBUTES.note]: text(blockOf(WALLET, 4).note) }),
      }),
    ),
    codes: { 'anchor-mismatch': 2 },
    exit: 1,
  },
  'two-that-contradict': {
    what: 'Two anchors say different hashes of one block.',
    anchors: one(four()) + one({ ...four(), [BLOCK_ATTRIBUTES.hash]: text('0'.repeat(64)) }),
    codes: { 'anchor-mismatch': 1 },
    exit: 1,
  },
  'of-another-log': {
    what: 'Of another log than the trust file names, beside one of this: counted as foreign.',
    anchors:
      one(four()) +
      one({
        ...four(),
        [BLOCK_ATTRIBUTES.log]: text('otel-audit/elsewhere'),
        [BLOCK_ATTRIBUTES.chain]: text('0'.repeat(32)),
      }),
    codes: {},
    exit: 0,
  },
  'of-a-block-that-is-not-there': {
    what: 'The end of a chain was cut off.',
    anchors: one({ ...four(), [BLOCK_ATTRIBUTES.block]: int(10) }),
    codes: { 'anchor-missing': 1 },
    exit: 1,
  },
}
