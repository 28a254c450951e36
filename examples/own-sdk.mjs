// A service that builds its own NodeSDK.
//   npm install otel-audit @opentelemetry/api @opentelemetry/sdk-node
//   node own-sdk.mjs
import { NodeSDK } from '@opentelemetry/sdk-node'
import { createAudit, Operation, Outcome } from 'otel-audit'

const audit = createAudit({ databaseUrl: process.env.DATABASE_URL })
const sdk = new NodeSDK(audit.withSdk({ serviceName: 'orders' }))
sdk.start()
await audit.start()

// At once: the caller never waits, and what it does not wait for is stored before close() returns.
audit.service.recordAsync({
  credential: 'orders-cache',
  operation: Operation.ResolveKeychain,
  outcome: Outcome.Ok,
})

// The password is there when its row is committed.
const access = { credential: 'orders-db', operation: Operation.GetCredential }
const password = await audit.service.guard(access, fetchFromVault, { mode: 'strict' })
console.log(`released ${password.length} characters`)

await audit.close()
await sdk.shutdown()

async function fetchFromVault() {
  return 'a password of the vault'
}
