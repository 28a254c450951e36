import { isIP } from 'node:net'
import { JSON } from '../../host/globals.js'
import { Operation, Outcome } from '../../event/vocabulary.js'
import type { TrailRow } from '../row.js'
import { known, type Result, resultOf } from './result-of.js'

/** The version of the schema (https://schema.ocsf.io), and of this mapping: another line for the same row is another mapping. */
export const OCSF_MAPPING = Object.freeze({ schema: '1.6.0', mapping: 1 })

/**
 * API Activity: "general CRUD API activities", which is what other sources of secret access (CloudTrail's GetSecretValue, a
 * vault's audit log) are mapped to. The classes of identity and access management are about sessions, accounts and
 * privileges; a released secret is none of these.
 */
const CLASS = Object.freeze({
  category_uid: 6,
  category_name: 'Application Activity',
  class_uid: 6003,
  class_name: 'API Activity',
})

const ACTIVITIES = Object.freeze({ Create: 1, Read: 2, Update: 3, Delete: 4, Other: 99 })

const ACTIVITY_OF: Readonly<Record<string, keyof typeof ACTIVITIES>> = {
  [Operation.GetSealed]: 'Read',
  [Operation.GetCredential]: 'Read',
  [Operation.ResolveKeychain]: 'Read',
  [Operation.CrossRegionBrokerServe]: 'Read',
  [Operation.QueryTrail]: 'Read',
  [Operation.ExportTrail]: 'Read',
  [Operation.IssueCredential]: 'Create',
}

const STATUS: Readonly<Record<Result, { readonly status_id: number; readonly status?: string }>> = {
  released: { status_id: 1, status: 'Success' },
  denied: { status_id: 2, status: 'Failure' },
  failed: { status_id: 2, status: 'Failure' },
  'not known': { status_id: 0, status: 'Unknown' },
  'a statement': { status_id: 99 },
}

const SEVERITY: Readonly<Record<Result, { readonly severity_id: number; readonly severity: string }>> = {
  released: { severity_id: 1, severity: 'Informational' },
  denied: { severity_id: 3, severity: 'Medium' },
  failed: { severity_id: 2, severity: 'Low' },
  'not known': { severity_id: 1, severity: 'Informational' },
  'a statement': { severity_id: 1, severity: 'Informational' },
}
/** Events are missing from the trail. */
const LOST = Object.freeze({ severity_id: 4, severity: 'High' })

const USER_TYPES: Readonly<Record<string, { readonly type_id: number; readonly type: string }>> = {
  user: { type_id: 1, type: 'User' },
  system: { type_id: 3, type: 'System' },
  service: { type_id: 4, type: 'Service' },
}

/**
 * A row as an event of the Open Cybersecurity Schema Framework, class API Activity (6003), on one line of JSON.
 *
 * What the class has no attribute for, and what would be rounded there (times have milliseconds), is in `unmapped` by the
 * names of the columns.
 */
export function ocsfJson(row: TrailRow): string {
  const { operation, outcome, audit_id, trace_id, recorded_at, execution_id, service_name } = row
  const activity = ACTIVITY_OF[operation] ?? 'Other'
  const activity_id = ACTIVITIES[activity]
  const result = resultOf(outcome)
  return JSON.stringify({
    ...CLASS,
    activity_id,
    activity_name: activity === 'Other' ? operation : activity,
    type_uid: CLASS.class_uid * 100 + activity_id,
    type_name: `${CLASS.class_name}: ${activity}`,
    time: millis(row.occurred_at),
    ...(outcome === Outcome.Lost ? LOST : SEVERITY[result]),
    ...STATUS[result],
    // Of 99 the text is the source's own.
    ...(result === 'a statement' && { status: outcome }),
    status_code: outcome,
    ...known({ message: row.notes }),
    metadata: {
      version: OCSF_MAPPING.schema,
      product: { name: 'otel-audit', vendor_name: 'otel-audit' },
      log_name: 'secret_audit',
      log_version: String(OCSF_MAPPING.mapping),
      event_code: operation,
      uid: audit_id,
      logged_time: millis(recorded_at),
      original_time: row.occurred_at,
      ...known({ correlation_uid: trace_id }),
    },
    actor: actorOf(row),
    api: {
      operation,
      ...(service_name !== null && { service: { name: service_name } }),
      ...(execution_id !== null && { request: { uid: execution_id } }),
      response: { code: result === 'released' ? 0 : 1, ...(result !== 'released' && { error: outcome }) },
    },
    src_endpoint: sourceOf(row),
    resources: [{ type: 'credential', name: row.credential, ...known({ version: row.kek_version }) }],
    unmapped: unmappedOf(row),
  })
}

function millis(time: string): number {
  return Date.parse(time)
}

/** Someone, or at least what has asked. */
function actorOf({ actor_id, actor_type, worker_id, service_name }: TrailRow): object {
  const type = USER_TYPES[actor_type ?? ''] ?? { type_id: 0, type: 'Unknown' }
  return {
    ...(actor_id !== null && { user: { uid: actor_id, ...type } }),
    ...known({ app_uid: worker_id }),
    ...((actor_id === null || service_name !== null) && { app_name: service_name ?? 'unknown' }),
  }
}

/** An address that is not one of the Internet Protocol is a name. */
function sourceOf({ source_address, service_name, service_instance_id }: TrailRow): object {
  const isAddress = source_address !== null && isIP(source_address) !== 0
  const found = known({
    ip: isAddress ? source_address : undefined,
    name: isAddress ? undefined : source_address,
    svc_name: service_name,
    instance_uid: service_instance_id,
  })
  return Object.keys(found).length === 0 ? { name: 'unknown' } : found
}

function unmappedOf(row: TrailRow): object {
  const { attributes } = row
  return known({
    occurred_at: row.occurred_at,
    recorded_at: row.recorded_at,
    parent_execution_id: row.parent_execution_id,
    server_region: row.server_region,
    broker_region: row.broker_region,
    span_id: row.span_id,
    original_audit_id: row.original_audit_id,
    attributes,
    event_digest: row.event_digest,
    chain_id: row.chain_id,
    block_no: row.block_no,
    block_index: row.block_index,
  })
}
