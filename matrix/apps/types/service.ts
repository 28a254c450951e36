// What an application writes that types its telemetry.
import { NodeSDK, type NodeSDKConfiguration } from '@opentelemetry/sdk-node'
import {
  AuditError,
  type AuditFields,
  createAudit,
  Operation,
  Outcome,
  type SelfTestReport,
} from 'otel-audit'

const yours: Partial<NodeSDKConfiguration> = { serviceName: 'orders' }
const audit = createAudit({
  databaseUrl: process.env['DATABASE_URL'],
  strict: (name) => name.startsWith('pay/'),
})
export const sdks = [new NodeSDK(audit.withSdk({})), new NodeSDK(audit.withSdk(yours))]
export const report: Promise<SelfTestReport> = audit.start()

const access: AuditFields = {
  credential: 'orders-db',
  operation: Operation.GetCredential,
  outcome: Outcome.Ok,
}

export async function password(): Promise<string> {
  const { auditId } = await audit.service.recordStrict(access)
  const id: bigint = auditId
  try {
    return await audit.service.guard(access, async () => `${id}`)
  } catch (error) {
    if (error instanceof AuditError && error.row === 'unknown') console.error(error.remedy)
    throw error
  }
}
