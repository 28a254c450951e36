import type { Attributes } from '@opentelemetry/api'
import type { AuditFields } from 'otel-audit'

/** An access with each of the original's twelve columns filled (the id is the recorder's), and its ids as text. */
export interface Access {
  readonly fields: AuditFields
  readonly executionId: string
  readonly parentExecutionId: string
}

const DISTINCT = 1024
const FIRST_EXECUTION = 7_216_413_337_829_376n

/** Made before anything is measured: the same ones go round on both sides. */
const ACCESSES: readonly Access[] = Array.from({ length: DISTINCT }, (_, n) => {
  const executionId = FIRST_EXECUTION + BigInt(n)
  const parentExecutionId = FIRST_EXECUTION - BigInt(n)
  return {
    fields: {
      credential: `tenant-${n % 32}/orders-db-${n}`,
      operation: 'get_credential',
      outcome: 'ok',
      workerId: `worker-${n % 64}.eu-central.example`,
      executionId,
      parentExecutionId,
      serverRegion: 'eu-central',
      brokerRegion: 'us-east',
      kekVersion: 'kek-2026-01',
      notes: 'read by the billing run of the night',
    },
    executionId: `${executionId}`,
    parentExecutionId: `${parentExecutionId}`,
  }
})

export function access(n: number): Access {
  const found = ACCESSES[n % DISTINCT]
  if (found === undefined) throw new RangeError(`there is no access ${n}`)
  return found
}

/**
 * The attributes that this library puts on the span event of such an access, written by hand: what a service would
 * have to send to its trace anyway. Only the digest is missing, which only otel-audit computes, and the
 * number of characters is a constant.
 *
 * @param auditId as text
 */
export function attributesByHand(
  { fields, executionId, parentExecutionId }: Access,
  auditId: string,
): Attributes {
  return {
    'secret_audit.audit_id': auditId,
    'secret_audit.credential': fields.credential,
    'secret_audit.operation': fields.operation,
    'secret_audit.outcome': fields.outcome,
    'secret_audit.worker_id': fields.workerId,
    'secret_audit.execution_id': executionId,
    'secret_audit.parent_execution_id': parentExecutionId,
    'secret_audit.server_region': fields.serverRegion,
    'secret_audit.broker_region': fields.brokerRegion,
    'secret_audit.kek_version': fields.kekVersion,
    'secret_audit.notes': fields.notes,
    'secret_audit.chars': '287',
  }
}
