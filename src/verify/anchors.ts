import { AuditError } from '../errors.js'
import { ANCHOR_NAME, BLOCK_ATTRIBUTES, BLOCK_SPAN_NAME } from '../otel/span-event.js'
import { BLOCK_FORMAT, blockHash } from '../chain/block.js'
import { parseBlock } from '../chain/block-parse.js'
import { sameBytes } from '../chain/hash.js'
import { parseNote } from '../chain/note.js'
import type { ChainSummary } from './chain-walk.js'
import type { FindingLog } from './finding.js'

/** What was said of a block outside the database. */
export interface Anchor {
  /** Undefined where it was not said. */
  readonly log: string | undefined
  /** 32 hex digits. */
  readonly chain: string
  readonly block: number
  /** SHA-256 of the block's text. Undefined where only the block's existence was said. */
  readonly hash: Uint8Array | undefined
}

/** What has become of the anchors. */
export interface AnchorCoverage {
  /** Blocks that were said of this log. */
  readonly given: number
  /** They are there, as they were said. */
  readonly held: number
  /** Of other logs than the trust file names, and not there: a backend for traces serves many. */
  readonly foreign: number
}

/** Blocks as they were said outside the database, for one look at each block of it. */
export class Anchors {
  /** By chain and number: everything that was said of the block. */
  readonly #byChain = new Map<string, Map<number, readonly Anchor[]>>()
  #found = 0
  #held = 0

  add(anchor: Anchor): void {
    const blocks = this.#byChain.get(anchor.chain) ?? new Map<number, readonly Anchor[]>()
    this.#byChain.set(anchor.chain, blocks)
    const known = blocks.get(anchor.block) ?? []
    // What contradicts is kept: neither the first nor the last to speak is right because of that.
    if (known.some((other) => saysAsMuch(other, anchor))) return
    blocks.set(anchor.block, [...known.filter((other) => !saysAsMuch(anchor, other)), anchor])
  }

  /** A block of the database. Its anchors are done with. */
  check(chain: string, block: number, hash: Uint8Array, findings: FindingLog): void {
    const blocks = this.#byChain.get(chain)
    const said = blocks?.get(block)
    if (blocks === undefined || said === undefined) return
    blocks.delete(block)
    this.#found++
    if (said.every((anchor) => anchor.hash === undefined || sameBytes(anchor.hash, hash))) this.#held++
    else findings.add('anchor-mismatch', 'an anchor gives another hash of this block', { chain, block })
  }

  /**
   * What is left has no block. One finding a chain, for the first block that should be there.
   *
   * Which logs there are is never taken from the database: whoever replaces one log by another would make the anchors of
   * the first look like somebody else's.
   *
   * @param origin the log that the auditor knows. Undefined: all anchors are of this trail
   * @param only the chain that is looked at. Undefined: all
   */
  end(
    chains: ReadonlyMap<string, ChainSummary>,
    origin: string | undefined,
    only: string | undefined,
    findings: FindingLog,
  ): AnchorCoverage {
    const isOurs = ({ log }: Anchor): boolean => origin === undefined || log === undefined || log === origin
    let missing = 0
    let foreign = 0
    for (const [chain, blocks] of this.#byChain) {
      if (only !== undefined && chain !== only) continue
      const ours = [...blocks].filter(([, said]) => said.some(isOurs)).map(([block]) => block)
      foreign += blocks.size - ours.length
      missing += ours.length
      if (ours.length === 0) continue
      const block = ours.reduce((first, next) => Math.min(first, next))
      const more = ours.length === 1 ? '' : `, and so for ${ours.length - 1} more blocks of the chain`
      const what = chains.has(chain) ? 'the block is not there' : 'the whole chain is not there'
      const hint =
        origin === undefined && !chains.has(chain)
          ? '; if the anchors are of several logs, the trust file has to name this one (origin)'
          : ''
      findings.add('anchor-missing', `an anchor names this block: ${what}${more}${hint}`, { chain, block })
    }
    return { given: this.#found + missing, held: this.#held, foreign }
  }
}

/** Whether one of two anchors of a block makes the other one superfluous. */
function saysAsMuch(one: Anchor, other: Anchor): boolean {
  if (one.log !== other.log) return false
  return other.hash === undefined || (one.hash !== undefined && sameBytes(one.hash, other.hash))
}

/**
 * Reads anchors from lines, as they come: OTLP/JSON (traces and logs, one request a line, as the file exporter of the
 * OpenTelemetry collector writes them), or signed notes of blocks one after the other.
 *
 * @throws AuditError `AUDIT_EVIDENCE_MALFORMED`, naming the line
 */
export async function readAnchors(
  lines: AsyncIterable<string> | Iterable<string>,
  anchors: Anchors,
): Promise<void> {
  let note: string[] = []
  let number = 0
  let noteAt = 0
  const endNote = (): void => {
    if (note.length > 0) anchors.add(anchorOfNote(note.join('\n').trimEnd(), noteAt))
    note = []
  }
  for await (const line of lines) {
    number++
    if (line === BLOCK_FORMAT) {
      endNote()
      noteAt = number
      note.push(line)
    } else if (note.length > 0 && !line.startsWith('{')) {
      note.push(line)
    } else if (line.trim() !== '') {
      endNote()
      for (const anchor of anchorsOfRequest(parsedJson(line, number), number)) anchors.add(anchor)
    }
  }
  endNote()
}

function anchorOfNote(note: string, line: number): Anchor {
  try {
    const { text } = parseNote(`${note}\n`)
    const { log, chain, number } = parseBlock(text)
    return { log, chain, block: number, hash: blockHash(text) }
  } catch (cause) {
    throw malformed(line, `the block that begins here cannot be read: ${(cause as Error).message}`)
  }
}

type Json = { readonly [key: string]: unknown }

function parsedJson(line: string, number: number): Json {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value === 'object' && value !== null) return value as Json
  } catch {
    // The parser's message quotes the line.
  }
  throw malformed(number, 'neither OTLP/JSON nor a signed block')
}

function anchorsOfRequest(request: Json, line: number): Anchor[] {
  const spans = children(request, 'resourceSpans', 'scopeSpans', 'spans')
  const records = children(request, 'resourceLogs', 'scopeLogs', 'logRecords')
  return [
    ...spans.flatMap((span) => [
      ...anchorOfSpan(span),
      ...list(span['events'])
        .filter((event) => event['name'] === ANCHOR_NAME)
        .flatMap((event) => anchorOfAttributes(event, line)),
    ]),
    ...records.flatMap((record) => anchorOfAttributes(record, line)),
  ]
}

/** The span of a block, or the span of a strict record, which says where its row is. */
function anchorOfSpan(span: Json): Anchor[] {
  if (!String(span['name']).startsWith(BLOCK_SPAN_NAME.split(' ')[0] ?? '')) return []
  const { log, chain, block, hash } = attributesOf(span)
  if (
    chain === undefined ||
    !/^[0-9a-f]{32}$/.test(chain) ||
    block === undefined ||
    !/^\d{1,15}$/.test(block)
  )
    return []
  const isHash = hash !== undefined && /^[0-9a-f]{64}$/.test(hash)
  return [{ log, chain, block: Number(block), hash: isHash ? Buffer.from(hash, 'hex') : undefined }]
}

function anchorOfAttributes(holder: Json, line: number): Anchor[] {
  const { note } = attributesOf(holder)
  return note === undefined ? [] : [anchorOfNote(note.trimEnd(), line)]
}

/** Those of a block, as text. */
function attributesOf(holder: Json): Partial<Record<keyof typeof BLOCK_ATTRIBUTES, string>> {
  const found: Partial<Record<string, string>> = {}
  for (const attribute of list(holder['attributes'])) {
    const value = attribute['value'] as Json | undefined
    const text = value?.['stringValue'] ?? value?.['intValue']
    if (typeof text === 'string' || typeof text === 'number') found[String(attribute['key'])] = String(text)
  }
  return Object.fromEntries(
    Object.entries(BLOCK_ATTRIBUTES).flatMap(([name, key]) =>
      found[key] === undefined ? [] : [[name, found[key]]],
    ),
  )
}

function children(request: Json, ...path: readonly string[]): Json[] {
  return path.reduce<Json[]>((holders, key) => holders.flatMap((holder) => list(holder[key])), [request])
}

function list(value: unknown): Json[] {
  return Array.isArray(value)
    ? value.filter((item): item is Json => typeof item === 'object' && item !== null)
    : []
}

function malformed(line: number, message: string): AuditError {
  return new AuditError('AUDIT_EVIDENCE_MALFORMED', `the anchors, line ${line}: ${message}`)
}
