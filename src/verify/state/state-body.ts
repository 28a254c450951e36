import { JSON } from '../../host/globals.js'
import type { BlockKind } from '../../chain/block.js'
import type { Anchor } from '../anchors.js'
import type { ChainPoint } from '../chain-point.js'
import type { BucketSum } from './bucket-sums.js'
import type { KnownChain, VerifyState } from './verify-state.js'

/** What the note of a state says by itself. */
type Headed = 'log' | 'trail' | 'sequence' | 'before' | 'time'
export type StateBody = Omit<VerifyState, Headed>

/** Texts that many chains share are there once. */
class Texts {
  readonly list: string[] = []
  readonly #places = new Map<string, number>()

  place(text: string): number {
    const known = this.#places.get(text)
    if (known !== undefined) return known
    this.#places.set(text, this.list.length)
    return this.list.push(text) - 1
  }
}

type Sum = readonly [bucket: number, count: number, sum: string]

type Point = readonly [
  chain: string,
  number: number,
  kind: BlockKind,
  rowsTotal: number,
  lost: number,
  time: number,
  hash: string,
  key: string,
  keyFrom: number,
  log: number,
  standing: number,
  lastId: string | null,
  opening: readonly [number, string, number, number, number | null, string | null, number | null] | null,
]

interface Json {
  readonly trust: string
  readonly texts: readonly string[]
  readonly chains: readonly (readonly [Point, cycleHead: number | null])[]
  readonly open: {
    readonly chains: readonly string[]
    readonly ids: readonly (readonly [string, string])[]
    readonly all: boolean
  }
  readonly lowest: string | null
  readonly highest: string | null
  readonly retention: readonly (readonly [string, string])[] | null
  readonly anchors: readonly JsonAnchor[]
  readonly cycle: {
    readonly startedAt: number
    readonly ids: readonly [string, string] | null
    readonly chainsTo: readonly [string, Point | null] | null
    readonly idsFrom: string | null
    readonly blocks: readonly Sum[]
    readonly unsigned: readonly Sum[]
  }
}

interface JsonAnchor {
  readonly log?: string | undefined
  readonly chain: string
  readonly block: number
  /** Null: it was not a hash. */
  readonly hash?: string | null | undefined
  readonly row?: { readonly index: number | null; readonly auditId?: string | null | undefined } | undefined
}

const ENROLLED = 1
const PINNED = 2

/** As JSON. 64-bit integers are text. */
export function bodyText(state: StateBody): string {
  const texts = new Texts()
  const { trust, open, lowest, highest, retention, anchors, cycle } = state
  const chains = [...state.chains.values()].map(
    ({ point, cycleHead }) => [pointJson(point, texts), cycleHead ?? null] as const,
  )
  const { startedAt, ids, chainsTo, idsFrom, blocks, unsigned } = cycle
  const mark =
    chainsTo === undefined
      ? null
      : ([chainsTo.chain, chainsTo.point === undefined ? null : pointJson(chainsTo.point, texts)] as const)
  const json: Json = {
    trust,
    texts: texts.list,
    chains,
    open: {
      chains: [...open.chains],
      ids: open.ids.map(({ first, last }) => [String(first), String(last)] as const),
      all: open.all,
    },
    lowest: idText(lowest),
    highest: idText(highest),
    retention: retention?.map(({ auditId, note }) => [String(auditId), note] as const) ?? null,
    anchors: anchors.map(anchorJson),
    cycle: {
      startedAt,
      ids: ids === undefined ? null : [String(ids.first), String(ids.last)],
      chainsTo: mark,
      idsFrom: idText(idsFrom),
      blocks: blocks.map(sumJson),
      unsigned: unsigned.map(sumJson),
    },
  }
  return `${JSON.stringify(json)}\n`
}

/** @param text that {@link bodyText} has made: its hash is known to be the one that was signed */
export function parseBody(text: string): StateBody {
  const { trust, texts, chains, open, lowest, highest, retention, anchors, cycle } = JSON.parse(text) as Json
  const known = chains.map(([json, cycleHead]): [string, KnownChain] => {
    const point = pointOf(json, texts)
    return [point.chain, { point, cycleHead: cycleHead ?? undefined }]
  })
  const { startedAt, ids, chainsTo, idsFrom, blocks, unsigned } = cycle
  const [chain, point] = chainsTo ?? []
  return {
    trust,
    chains: new Map(known),
    open: {
      chains: new Set(open.chains),
      ids: open.ids.map(([first, last]) => ({ first: BigInt(first), last: BigInt(last) })),
      all: open.all,
    },
    lowest: idOf(lowest),
    highest: idOf(highest),
    retention: retention?.map(([auditId, note]) => ({ auditId: BigInt(auditId), note })),
    anchors: anchors.map(anchorOf),
    cycle: {
      startedAt,
      ids: ids === null ? undefined : { first: BigInt(ids[0]), last: BigInt(ids[1]) },
      chainsTo:
        chain === undefined ? undefined : { chain, point: point == null ? undefined : pointOf(point, texts) },
      idsFrom: idOf(idsFrom),
      blocks: blocks.map(sumOf),
      unsigned: unsigned.map(sumOf),
    },
  }
}

function pointJson(point: ChainPoint, texts: Texts): Point {
  const { chain, last, hash, key, keyFrom, log, opening, enrolled, pinned, lastId } = point
  return [
    chain,
    last.number,
    last.kind,
    last.rowsTotal,
    last.lost,
    last.time,
    base64(hash),
    key,
    keyFrom,
    texts.place(log),
    (enrolled ? ENROLLED : 0) | (pinned ? PINNED : 0),
    idText(lastId),
    opening === undefined
      ? null
      : [
          texts.place(opening.service),
          opening.instance,
          texts.place(opening.version),
          texts.place(opening.trail),
          opening.system === undefined ? null : texts.place(opening.system),
          opening.continues?.chain ?? null,
          opening.continues?.block ?? null,
        ],
  ]
}

function pointOf(json: Point, texts: readonly string[]): ChainPoint {
  const [chain, number, kind, rowsTotal, lost, time, hash, key, keyFrom, log, standing, lastId, opening] =
    json
  const text = (place: number): string => texts[place] ?? ''
  const [service = 0, instance = '', version = 0, trail = 0, system = null, older = null, block = null] =
    opening ?? []
  return {
    chain,
    last: { number, kind, rowsTotal, lost, time },
    hash: Buffer.from(hash, 'base64'),
    key,
    keyFrom,
    log: text(log),
    opening:
      opening === null
        ? undefined
        : {
            service: text(service),
            instance,
            version: text(version),
            trail: text(trail),
            system: system === null ? undefined : text(system),
            continues: older === null || block === null ? undefined : { chain: older, block },
          },
    enrolled: (standing & ENROLLED) !== 0,
    pinned: (standing & PINNED) !== 0,
    lastId: idOf(lastId),
  }
}

function anchorJson({ log, chain, block, hash, row }: Anchor): JsonAnchor {
  return {
    log,
    chain,
    block,
    hash: hash == null ? hash : base64(hash),
    row: row && {
      index: row.index,
      auditId: row.auditId == null ? row.auditId : String(row.auditId),
    },
  }
}

function anchorOf({ log, chain, block, hash, row }: JsonAnchor): Anchor {
  return {
    log,
    chain,
    block,
    hash: hash == null ? hash : Buffer.from(hash, 'base64'),
    row: row && { index: row.index, auditId: row.auditId == null ? row.auditId : BigInt(row.auditId) },
  }
}

function sumJson([bucket, { count, sum }]: readonly [number, BucketSum]): Sum {
  return [bucket, count, sum.toString(16)]
}

function sumOf([bucket, count, sum]: Sum): readonly [number, BucketSum] {
  return [bucket, { count, sum: BigInt(`0x${sum}`) }]
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')
}

function idText(id: bigint | undefined): string | null {
  return id === undefined ? null : String(id)
}

function idOf(text: string | null): bigint | undefined {
  return text === null ? undefined : BigInt(text)
}
