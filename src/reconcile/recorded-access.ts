import type { TrailRow } from '../query/row.js'
import { parseTime } from '../query/time.js'
import { parsedObject, textIn } from './entry-json.js'
import { plainName, type ProviderLog } from './provider-access.js'

/** One row of the trail about an access to a provider, with what it is compared by. */
export interface RecordedAccess {
  readonly log: ProviderLog
  readonly auditId: string
  /** µs since the Unix epoch. */
  readonly time: number
  readonly credential: string
  /** What the provider may call it: the name that was asked for, and that of its ARN. */
  readonly names: readonly string[]
  readonly namespace: string
  /** Of the request, or of the batch. Undefined where the row has none. */
  readonly requestId: string | undefined
  /** Whether it is of a batch that the provider logs as a whole, and each of its secrets too. */
  readonly isBatch: boolean
  /** The request may not have reached the provider, or was answered from a cache: then its log has nothing of it. */
  readonly needsNoEntry: boolean
  readonly operation: string
  readonly outcome: string
  readonly service: string | null
}

/** By the attribute `provider` of a row: the log, and operations of which it has each. Tokens that a client signs itself it has not. */
const LOGS: ReadonlyMap<unknown, { readonly log: ProviderLog; readonly operations: ReadonlySet<string> }> =
  new Map([
    ['aws', { log: 'cloudtrail', operations: new Set(['get_credential', 'use_key']) }],
    ['vault', { log: 'vault', operations: new Set(['get_credential', 'use_key', 'issue_credential']) }],
  ])

const UNANSWERED: ReadonlySet<string> = new Set(['provider_unreachable', 'aborted'])

/** @returns undefined for a row that is about nothing which the log of a provider would have */
export function recordedAccess(row: TrailRow): RecordedAccess | undefined {
  if (row.attributes === null) return undefined
  const attributes = parsedObject(row.attributes)
  const compared = LOGS.get(attributes['provider'])
  const time = parseTime(row.occurred_at, 0)
  if (compared === undefined || time === undefined || !compared.operations.has(row.operation))
    return undefined
  const { log } = compared
  const batch = textIn(attributes['batch'])
  const arn = textIn(attributes['arn'])
  return {
    log,
    auditId: row.audit_id,
    time,
    credential: row.credential,
    names: [...new Set([row.credential, ...(arn === undefined ? [] : [arn])].map(plainName))],
    namespace: (textIn(attributes['namespace']) ?? '').replace(/^\/+|\/+$/g, '').replace(/^root$/, ''),
    requestId: textIn(attributes['request_id']) ?? batch,
    isBatch: attributes['api'] === 'BatchGetSecretValue',
    // The Lambda extension and the agent of Secrets Manager, which are asked by a plain GET, keep what they have read.
    needsNoEntry: UNANSWERED.has(row.outcome) || (log === 'cloudtrail' && attributes['api'] === 'GET'),
    operation: row.operation,
    outcome: row.outcome,
    service: row.service_name,
  }
}
