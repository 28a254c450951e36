import { BLOCK_FORMAT, blockHash } from '../chain/block.js'
import { parseBlock } from '../chain/block-parse.js'
import { sameBytes } from '../chain/hash.js'
import { parseNote } from '../chain/note.js'
import { ANCHOR_NAME, BLOCK_ATTRIBUTES, placeParts, RECORD_ID_ATTRIBUTE } from '../otel/span-event.js'
import { type Anchor, logOf, type SaidRow } from './anchors.js'

/** An object of a trace or a log: a span, an event on it, a log record. */
export type Entry = { readonly [key: string]: unknown }

/** What an entry comes to: undefined when it is not an anchor, text when it is one that cannot be read. */
export type ReadEntry =
  | undefined
  | { readonly anchors: readonly Anchor[] }
  | { readonly log: string | undefined; readonly problem: string }

/**
 * Reads one entry. What makes it an anchor is its attributes, whatever it is called: collectors rename spans.
 *
 * Everything that it says must agree. If it does not, no block is as it says.
 */
export function readEntry(entry: Entry): ReadEntry {
  const said = saidBy(entry)
  const body = bodyOf(entry)
  const notes = [...(said.note ?? []), ...(body?.startsWith(BLOCK_FORMAT) === true ? [body] : [])]
  const isAnchor = (said.chain && said.block) || said.hash || notes.length > 0 || isCalledAnchor(entry)
  if (!isAnchor) return undefined
  const log = only(said.log ?? [])
  const place = placeOf(said)
  const noted = notes.map(anchorOfNote)
  const unreadable = (problem: string): ReadEntry => ({ log: logOf(log), problem })
  if (noted.includes(undefined))
    return unreadable(`${BLOCK_ATTRIBUTES.note} is not the signed note of a block`)
  const fromNotes = noted.flatMap((anchor) => (anchor === undefined ? [] : [anchor]))
  if (place === undefined && (fromNotes.length === 0 || said.chain || said.block)) {
    const { place: inOne, chain, block } = BLOCK_ATTRIBUTES
    return unreadable(`${said.index === undefined ? `${chain} and ${block}` : inOne} cannot be read`)
  }
  const hash = said.hash === undefined ? undefined : hashOf(only(said.hash))
  const row = rowOf(said)
  const own = place === undefined ? [] : [{ log: logOf(log), ...place, hash, row }]
  const all: readonly Anchor[] = [...own, ...fromNotes]
  const agree =
    all.every((anchor) => agrees(anchor, all[0])) &&
    fromNotes.every((anchor) => hash === undefined || sameHash(anchor.hash, hash)) &&
    fromNotes.every((anchor) => said.log === undefined || anchor.log === log)
  return { anchors: agree ? all : all.map((anchor) => ({ ...anchor, hash: null })) }
}

/** @returns undefined for what is not the signed note of a block. Who has signed it is not looked at. */
export function anchorOfNote(note: unknown): Anchor | undefined {
  if (typeof note !== 'string') return undefined
  try {
    const { text } = parseNote(`${note.trimEnd()}\n`)
    const { log, chain, number } = parseBlock(text)
    return { log, chain, block: number, hash: blockHash(text) }
  } catch {
    return undefined
  }
}

function agrees(one: Anchor, other: Anchor | undefined): boolean {
  if (other === undefined) return true
  const isSamePlace = one.chain === other.chain && one.block === other.block
  const isSameHash = one.hash === undefined || other.hash === undefined || sameHash(one.hash, other.hash)
  return isSamePlace && isSameHash
}

function sameHash(one: Anchor['hash'], other: Anchor['hash']): boolean {
  return one !== undefined && one !== null && other !== undefined && other !== null && sameBytes(one, other)
}

type Name = 'log' | 'chain' | 'block' | 'index' | 'hash' | 'note' | 'recordId'

const NAMES: ReadonlyMap<string, Name> = new Map([
  [BLOCK_ATTRIBUTES.log, 'log'],
  [BLOCK_ATTRIBUTES.chain, 'chain'],
  [BLOCK_ATTRIBUTES.block, 'block'],
  [BLOCK_ATTRIBUTES.hash, 'hash'],
  [BLOCK_ATTRIBUTES.note, 'note'],
  [RECORD_ID_ATTRIBUTE, 'recordId'],
])

/** Every value of each attribute: a key that is there twice says two things. */
type Said = Partial<Record<Name, readonly unknown[]>>

/** Where exporters put attributes: OTLP, Jaeger (spans; their events), the protobuf of Go. */
export const ATTRIBUTE_HOLDERS = ['attributes', 'tags', 'fields', 'Attributes'] as const

function saidBy(entry: Entry): Said {
  const said: Partial<Record<Name, unknown[]>> = {}
  for (const holder of ATTRIBUTE_HOLDERS) {
    for (const [key, value] of pairs(entry[holder])) {
      const name = NAMES.get(key)
      if (name !== undefined) (said[name] ??= []).push(plain(value))
      if (key !== BLOCK_ATTRIBUTES.place) continue
      const { log, chain, block, index } = partsOf(plain(value))
      if (log !== undefined) (said.log ??= []).push(log)
      ;(said.chain ??= []).push(chain)
      ;(said.block ??= []).push(block)
      ;(said.index ??= []).push(index)
    }
  }
  return said
}

/** What is no place has none of its parts, and each of them is said. */
function partsOf(place: unknown): Partial<NonNullable<ReturnType<typeof placeParts>>> {
  return (typeof place === 'string' ? placeParts(place) : undefined) ?? {}
}

/** A list of keys with values, or an object. */
function pairs(attributes: unknown): readonly (readonly [string, unknown])[] {
  if (typeof attributes !== 'object' || attributes === null) return []
  if (!Array.isArray(attributes)) return Object.entries(attributes)
  return attributes.flatMap((item: unknown) => {
    if (typeof item !== 'object' || item === null) return []
    const { key, Key = key, value, Value = value } = item as Entry
    return typeof Key === 'string' ? [[Key, Value] as const] : []
  })
}

const VALUES = ['stringValue', 'string_value', 'StringValue', 'intValue', 'int_value', 'IntValue'] as const

/** A value as OTLP wraps it, or as it is. */
function plain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const { Value: inner = value } = value as Entry
  const wrapped = (typeof inner === 'object' && inner !== null ? inner : {}) as Entry
  const key = VALUES.find((name) => name in wrapped)
  return key === undefined ? value : wrapped[key]
}

function bodyOf(entry: Entry): string | undefined {
  const body = plain(entry['body'] ?? entry['Body'])
  return typeof body === 'string' ? body : undefined
}

function isCalledAnchor(entry: Entry): boolean {
  return ['name', 'eventName', 'event_name'].some((key) => entry[key] === ANCHOR_NAME)
}

/** The one value. Several that differ are none. */
function only(values: readonly unknown[]): unknown {
  return new Set(values).size === 1 ? values[0] : undefined
}

function placeOf({ chain, block }: Said): { chain: string; block: number } | undefined {
  const [id, number] = [only(chain ?? []), countOf(only(block ?? []))]
  if (typeof id !== 'string' || !/^[0-9a-f]{32}$/.test(id) || number === null) return undefined
  return { chain: id, block: number }
}

function hashOf(said: unknown): Uint8Array | null {
  return typeof said === 'string' && /^[0-9a-f]{64}$/.test(said) ? Buffer.from(said, 'hex') : null
}

function rowOf({ index, recordId }: Said): SaidRow | undefined {
  if (index === undefined) return undefined
  return {
    index: countOf(only(index)),
    auditId: recordId === undefined ? undefined : idOf(only(recordId)),
  }
}

/** A number of OTLP/JSON, where 64-bit integers are text: both are read. */
function countOf(said: unknown): number | null {
  const text = typeof said === 'number' || typeof said === 'string' ? String(said) : ''
  const value = /^(0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(value) ? value : null
}

function idOf(said: unknown): bigint | null {
  const text = typeof said === 'string' || Number.isSafeInteger(said) ? String(said) : ''
  const value = /^(0|[1-9]\d{0,18})$/.test(text) ? BigInt(text) : null
  return value !== null && value < 2n ** 63n ? value : null
}
