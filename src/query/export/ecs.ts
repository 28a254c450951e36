import { isIP } from 'node:net'
import { JSON } from '../../host/globals.js'
import { Operation, Outcome } from '../../event/vocabulary.js'
import type { TrailRow } from '../row.js'
import { known, type Result, resultOf } from './result-of.js'

/** The version of the schema (https://www.elastic.co/docs/reference/ecs), and of this mapping. */
export const ECS_MAPPING = Object.freeze({ schema: '9.4.0', mapping: 1 })

const TYPE_OF: Readonly<Record<string, string>> = {
  [Operation.IssueCredential]: 'creation',
  [Operation.WriteCredential]: 'change',
  [Operation.AuditCoverage]: 'info',
  [Operation.AuditGap]: 'info',
  [Operation.AuditQuarantine]: 'info',
}
const LIFECYCLE: Readonly<Record<string, string>> = {
  [Outcome.Started]: 'start',
  [Outcome.Stopped]: 'end',
  [Outcome.ModeChanged]: 'change',
}

const OUTCOME: Readonly<Record<Result, string>> = {
  released: 'success',
  denied: 'failure',
  failed: 'failure',
  'not known': 'unknown',
  'a statement': 'unknown',
}

/**
 * A row as a document of the Elastic Common Schema, on one line of JSON. `event.category` is `api`; what the schema has no
 * field for is in `secret_audit`, by the names of the columns.
 */
export function ecsJson(row: TrailRow): string {
  const { actor_id, source_address, service_name, service_instance_id } = row
  const isAddress = source_address !== null && isIP(source_address) !== 0
  return JSON.stringify({
    '@timestamp': row.occurred_at,
    ecs: { version: ECS_MAPPING.schema },
    event: {
      kind: 'event',
      category: ['api'],
      type: typesOf(row),
      action: row.operation,
      outcome: OUTCOME[resultOf(row.outcome)],
      id: row.audit_id,
      code: row.outcome,
      created: row.recorded_at,
      module: 'otel_audit',
      dataset: 'otel_audit.secret_audit',
      provider: 'otel-audit',
      ...known({ hash: row.event_digest }),
    },
    ...known({ message: row.notes }),
    ...(actor_id !== null && { user: { id: actor_id } }),
    ...(service_name !== null && {
      service: {
        name: service_name,
        ...(service_instance_id !== null && { node: { name: service_instance_id } }),
      },
    }),
    ...(source_address !== null && {
      source: { address: source_address, ...(isAddress && { ip: source_address }) },
    }),
    ...(row.server_region !== null && { cloud: { region: row.server_region } }),
    ...(row.trace_id !== null && { trace: { id: row.trace_id } }),
    ...(row.span_id !== null && { span: { id: row.span_id } }),
    ...relatedTo(actor_id, isAddress ? source_address : null),
    secret_audit: ownFields(row),
  })
}

/** What was done, and whether it was let. */
function typesOf({ operation, outcome }: TrailRow): readonly string[] {
  const type = LIFECYCLE[outcome] ?? TYPE_OF[operation] ?? 'access'
  const result = resultOf(outcome)
  if (result === 'released') return [type, 'allowed']
  return result === 'denied' ? [type, 'denied'] : [type]
}

function relatedTo(user: string | null, ip: string | null): object {
  if (user === null && ip === null) return {}
  return { related: { ...(user !== null && { user: [user] }), ...(ip !== null && { ip: [ip] }) } }
}

function ownFields(row: TrailRow): object {
  return {
    mapping: ECS_MAPPING.mapping,
    credential: row.credential,
    ...known({
      worker_id: row.worker_id,
      actor_type: row.actor_type,
      service_instance_id: row.service_name === null ? row.service_instance_id : null,
      execution_id: row.execution_id,
      parent_execution_id: row.parent_execution_id,
      broker_region: row.broker_region,
      kek_version: row.kek_version,
      original_audit_id: row.original_audit_id,
      attributes: row.attributes,
      chain_id: row.chain_id,
      block_no: row.block_no,
      block_index: row.block_index,
    }),
  }
}
