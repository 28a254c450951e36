import { NodeSDK } from '@opentelemetry/sdk-node'
import { createAudit, Operation, Outcome } from 'otel-audit'

const audit = createAudit()
const sdk = new NodeSDK(audit.withSdk({ serviceName: 'own-sdk' }))
sdk.start()
await audit.start()
const access = { operation: Operation.GetCredential, outcome: Outcome.Ok }
await audit.service.recordStrict({ ...access, credential: 'own-sdk-strict' })
audit.service.recordAsync({ ...access, credential: 'own-sdk-async' })
await audit.close()
await sdk.shutdown()
console.log(`pending ${audit.stats().pending}`)
