import { isTrailId } from '../chain/block.js'
import { isKeyName, type NoteSigner } from '../chain/note-key.js'
import { parseNote, signNote } from '../chain/note.js'
import { toHex } from '../chain/hash.js'
import { AuditError } from '../errors.js'
import { sha256 } from '../event/sha256.js'

const FORMAT = 'otel-audit/chain-starts/v1'

/**
 * Where a chain begins whose first blocks were retired with their rows: at its last retired block. What the next block is held
 * against is here, since that block is gone. The blocks that brought in a key stay.
 */
export interface ChainStart {
  /** 32 hex digits. */
  readonly chain: string
  /** Number of the last block that is retired. */
  readonly block: number
  /** SHA-256 of its text, 32 bytes. */
  readonly hash: Uint8Array
  /** The block that brought in the key which is current there, and SHA-256 of its text. */
  readonly keyBlock: number
  readonly keyHash: Uint8Array
  /** Counters of the retired block. */
  readonly rows: number
  readonly lost: number
  /** µs since the Unix epoch. */
  readonly time: number
  /** The largest id of a row of the retired blocks. */
  readonly lastId: bigint | undefined
}

/**
 * SHA-256 over the starts of all chains, 64 hex digits: a line for each, in ascending order of chains, numbers in decimal.
 *
 * @param starts in that order
 */
export function startsSum(starts: readonly ChainStart[]): string {
  const lines = starts.map(
    ({ chain, block, hash, keyBlock, keyHash, rows, lost, time, lastId }) =>
      `${chain} ${block} ${toHex(hash)} ${keyBlock} ${toHex(keyHash)} ${rows} ${lost} ${time} ${lastId ?? '-'}\n`,
  )
  return toHex(sha256(`${FORMAT}\n${lines.join('')}`))
}

/** What the retention key signs about the starts of the chains of a trail. */
export interface SignedStarts {
  /** Name of the log. */
  readonly log: string
  /** 32 hex digits. */
  readonly trail: string
  /** How many chains begin so. */
  readonly chains: number
  /** {@link startsSum} of all of them. */
  readonly sum: string
  /** SHA-256 of the newest manifest of the place that has the retired blocks, 64 hex digits. */
  readonly manifest: string
  /** µs since the Unix epoch. */
  readonly time: number
}

export function signStarts(
  { log, trail, chains, sum, manifest, time }: SignedStarts,
  signer: NoteSigner,
): string {
  const text = `${FORMAT}\nlog ${log}\ntrail ${trail}\nchains ${chains}\nsum ${sum}\nmanifest ${manifest}\ntime ${time}\n`
  return signNote(text, signer)
}

/** Whether a note says that it is one. */
export function isStartsNote(note: string): boolean {
  return note.startsWith(`${FORMAT}\n`)
}

const LINES =
  /^otel-audit\/chain-starts\/v1\nlog (?<log>\S+)\ntrail (?<trail>\S+)\nchains (?<chains>[1-9]\d{0,15})\nsum (?<sum>[0-9a-f]{64})\nmanifest (?<manifest>[0-9a-f]{64})\ntime (?<time>0|[1-9]\d{0,15})\n$/

/**
 * Reads a signed note about the starts of chains, and believes nothing of it: who has signed it is for `openNote` to say.
 *
 * @throws AuditError `AUDIT_NOTE_MALFORMED`
 */
export function parseStarts(note: string): SignedStarts {
  const found = LINES.exec(parseNote(note).text)?.groups
  const { log = '', trail = '', chains, sum = '', manifest = '', time } = found ?? {}
  if (!isKeyName(log) || !isTrailId(trail))
    throw new AuditError('AUDIT_NOTE_MALFORMED', 'not a note about the starts of chains')
  return { log, trail, chains: Number(chains), sum, manifest, time: Number(time) }
}
