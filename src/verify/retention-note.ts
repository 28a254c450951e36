import { AuditError } from '../errors.js'
import { INT8_MAX, INT8_MIN } from '../event/int8.js'
import { isTrailId } from '../chain/block.js'
import { parseNote, signNote } from '../chain/note.js'
import { isKeyName, type NoteSigner } from '../chain/note-key.js'
import type { LeafSet } from './leaf-digests.js'

const FORMAT = 'otel-audit/retention/v1'

/** `retiring`: from now on rows of it may be gone from the trail. `retired`: all of them are. `kept`: they were put back. */
export type RetentionState = 'retiring' | 'retired' | 'kept'

/** What the retention key signs about one partition of the trail. */
export interface Retention {
  /** Name of the log. */
  readonly log: string
  /** 32 hex digits. */
  readonly trail: string
  readonly state: RetentionState
  /** Name of the partition. */
  readonly partition: string
  /** Its ids: from the first up to, but without, the end. Without a first: no lower bound. */
  readonly from: bigint | undefined
  readonly to: bigint
  readonly rows: number
  readonly leaves: LeafSet
  /** SHA-256 of the manifests that have its rows, 64 hex digits each, oldest first. Empty: retired without an archive. */
  readonly manifests: readonly string[]
  /** µs since the Unix epoch. */
  readonly time: number
}

/** The text that is signed: lines ended by a newline, numbers in decimal without sign or leading zeros. */
function retentionText(retention: Retention): string {
  const { log, trail, state, partition, from, to, rows, leaves, manifests, time } = retention
  return (
    `${FORMAT}\nlog ${log}\ntrail ${trail}\nstate ${state}\npartition ${partition}\nids ${from ?? '-'} ${to}\nrows ${rows}\n` +
    `leaves ${leaves.count} ${leaves.sum}\n${manifests.map((hash) => `manifest ${hash}\n`).join('')}time ${time}\n`
  )
}

export function signRetention(retention: Retention, signer: NoteSigner): string {
  return signNote(retentionText(retention), signer)
}

const LINES =
  /^otel-audit\/retention\/v1\nlog (?<log>\S+)\ntrail (?<trail>\S+)\nstate (?<state>retiring|retired|kept)\npartition (?<partition>[a-z0-9_]{1,63})\nids (?<from>-|0|[1-9]\d{0,18}) (?<to>[1-9]\d{0,18})\nrows (?<rows>0|[1-9]\d{0,15})\nleaves (?<leaves>0|[1-9]\d{0,15}) (?<sum>[0-9a-f]{64})\n(?<manifests>(?:manifest [0-9a-f]{64}\n)*)time (?<time>0|[1-9]\d{0,15})\n$/

/**
 * Reads a signed note about a partition, and believes nothing of it: who has signed it is for `openNote` to say.
 *
 * @throws AuditError `AUDIT_NOTE_MALFORMED`
 */
export function parseRetention(note: string): Retention {
  const { text } = parseNote(note)
  const found = LINES.exec(text)?.groups
  if (found === undefined) throw malformed('its lines are not those of one')
  const { log = '', trail = '', from = '', to = '', manifests = '', sum = '' } = found
  if (!isKeyName(log)) throw malformed('log: not the name of a log')
  if (!isTrailId(trail)) throw malformed('trail: not 32 hex digits')
  const retention: Retention = {
    log,
    trail,
    state: found['state'] as RetentionState,
    partition: found['partition'] ?? '',
    from: from === '-' ? undefined : BigInt(from),
    to: BigInt(to),
    rows: Number(found['rows']),
    leaves: { count: Number(found['leaves']), sum },
    manifests: [...manifests.matchAll(/manifest (\S+)\n/g)].map(([, hash = '']) => hash),
    time: Number(found['time']),
  }
  if (retention.to > INT8_MAX || (retention.from ?? INT8_MIN) >= retention.to)
    throw malformed('ids: not a range of ids')
  return retention
}

const RETENTION = '/retention'

/** The name of a log's retention key, which no service has. */
export function retentionKeyName(log: string): string {
  return `${log}${RETENTION}`
}

/** Whether it is the name of some log's retention key. */
export function isRetentionKeyName(name: string): boolean {
  return name.endsWith(RETENTION) && isKeyName(name.slice(0, -RETENTION.length))
}

function malformed(message: string): AuditError {
  return new AuditError('AUDIT_NOTE_MALFORMED', `not a note about retention: ${message}`)
}
