import { JSON } from '../../host/globals.js'
import { visibleJson, visibleLines } from '../../host/visible.js'
import { formatTime } from '../../event/time.js'
import type { LogSummary, Reconciliation } from '../../reconcile/comparison.js'
import type { ProviderAccess } from '../../reconcile/provider-access.js'
import type { RecordedAccess } from '../../reconcile/recorded-access.js'
import { hasColours, table, type TableColumn } from './table.js'

export interface ShownReconciliation extends Reconciliation {
  readonly files: number
  /** Pieces of the files that could not be read. */
  readonly malformed: number
}

/** Accesses that a table shows one by one; JSON has all of them. */
const MOST_SHOWN = 1000

const NAMES = { cloudtrail: 'CloudTrail', vault: 'Vault audit' } as const

export function reconciliationJson(found: ShownReconciliation): string {
  const { logs, rows, both, expected, malformed, files } = found
  const document = {
    result: resultOf(found),
    files,
    malformed,
    logs: logs.map((log) => ({ ...log, first: timeOf(log.first), last: timeOf(log.last) })),
    rows,
    both: both.byRequestId + both.byPathAndTime,
    matched_by: { request_id: both.byRequestId, path_and_time: both.byPathAndTime },
    not_compared: {
      rows_that_need_no_entry: expected.unseen,
      repeated_attempts: expected.repeatedAttempts,
      of_other_identities: expected.ofOthers,
    },
    only_in_the_trail: found.onlyRecorded.map(recordedJson),
    only_by_the_provider: found.onlyProvided.map(providedJson),
  }
  return visibleJson(`${JSON.stringify(document, undefined, 2)}\n`)
}

function resultOf({ onlyProvided, onlyRecorded, malformed }: ShownReconciliation): string {
  if (onlyProvided.length + onlyRecorded.length > 0) return 'differences'
  return malformed > 0 ? 'incomplete' : 'complete'
}

function recordedJson(row: RecordedAccess): object {
  const { log, auditId, time, credential, requestId, operation, outcome, service } = row
  return {
    log,
    audit_id: auditId,
    time: formatTime(time),
    credential,
    request_id: requestId ?? null,
    operation,
    outcome,
    service_name: service,
  }
}

function providedJson(access: ProviderAccess): object {
  const { log, time, credential, namespace, requestId, api, identity, result } = access
  return {
    log,
    time: formatTime(time),
    credential,
    ...(namespace !== '' && { namespace }),
    request_id: requestId,
    api,
    identity,
    result,
  }
}

export function reconciliationText(found: ShownReconciliation): string {
  const { logs, rows, both, expected, onlyProvided, onlyRecorded, files, malformed } = found
  const isByPath = both.byPathAndTime > 0
  const lines = [
    ...logs.map(logLine),
    `files             ${files}${malformed > 0 ? `; ${grouped(malformed)} pieces of them could not be read` : ''}`,
    `rows              ${grouped(rows)} about accesses to these providers`,
    `on both sides     ${grouped(both.byRequestId + both.byPathAndTime)}${isByPath ? `; ${grouped(both.byPathAndTime)} of them matched by path and time: their rows have no request id` : ''}`,
    `only in the trail ${grouped(onlyRecorded.length)}`,
    `only by provider  ${grouped(onlyProvided.length)}`,
    ...(expected.unseen > 0
      ? [
          `not compared      ${grouped(expected.unseen)} rows of requests that got no answer, or one from a cache`,
        ]
      : []),
    ...(expected.repeatedAttempts > 0
      ? [
          `not compared      ${grouped(expected.repeatedAttempts)} attempts that the provider throttled or failed, and that clients repeat`,
        ]
      : []),
    ...(expected.ofOthers > 0
      ? [`not compared      ${grouped(expected.ofOthers)} accesses of other identities`]
      : []),
    '',
  ]
  return visibleLines(lines) + listOf(onlyProvided, PROVIDED) + listOf(onlyRecorded, RECORDED)
}

function logLine({ log, entries, accesses, byServices, repeatedEntries, first, last }: LogSummary): string {
  const span = entries === 0 ? '' : `, ${timeOf(first)} to ${timeOf(last)}`
  const services = byServices > 0 ? `; ${grouped(byServices)} by services of the provider` : ''
  const twice = repeatedEntries > 0 ? `; ${grouped(repeatedEntries)} are there twice` : ''
  return `${NAMES[log].padEnd(17)} ${grouped(accesses)} accesses in ${grouped(entries)} entries${span}${services}${twice}`
}

const PROVIDED: readonly TableColumn<ProviderAccess>[] = [
  { title: 'ONLY BY', value: ({ log }) => NAMES[log], style: () => 'bad' },
  { title: 'TIME', value: ({ time }) => formatTime(time) },
  { title: 'CREDENTIAL', value: ({ credential }) => credential },
  { title: 'RESULT', value: ({ result }) => result },
  { title: 'REQUEST ID', value: ({ requestId }) => requestId },
  { title: 'CALL', value: ({ api }) => api },
  { title: 'WHO', value: ({ identity }) => identity },
]

const RECORDED: readonly TableColumn<RecordedAccess>[] = [
  { title: 'ONLY IN', value: () => 'the trail', style: () => 'bad' },
  { title: 'TIME', value: ({ time }) => formatTime(time) },
  { title: 'CREDENTIAL', value: ({ credential }) => credential },
  { title: 'OUTCOME', value: ({ outcome }) => outcome },
  { title: 'REQUEST ID', value: ({ requestId }) => requestId ?? '(none)' },
  { title: 'AUDIT ID', value: ({ auditId }) => auditId, isNumber: true },
  { title: 'SERVICE', value: ({ service }) => service },
]

function listOf<Row>(list: readonly Row[], columns: readonly TableColumn<Row>[]): string {
  if (list.length === 0) return ''
  const more =
    list.length > MOST_SHOWN ? `… and ${grouped(list.length - MOST_SHOWN)} more: --format json has all\n` : ''
  return `\n${table(columns, list.slice(0, MOST_SHOWN), hasColours(process.stdout))}${more}`
}

function timeOf(micros: number | undefined): string | null {
  return micros === undefined ? null : formatTime(micros)
}

function grouped(count: number): string {
  return count.toLocaleString('en-US')
}
